/** The ingest routes of the backend, typed. */

import { streamEvents } from "streamator-react";
import { ApiError, refused, request } from "../app/api";
import { awaited } from "../app/awaited";
import type { AwaitedStream } from "../app/awaited";
import { backend } from "../app/backend";
import { session } from "../app/session";
import { formatBytes } from "../app/format";
import type { Documents, DocumentText, IngestComplete, IngestProgress, Job, Started } from "../app/schema";
import type { operations } from "../app/schema";

export type { Document, Documents, DocumentText, IngestComplete, IngestProgress, Job } from "../app/schema";

export type JobStatus = Job["status"];

type IngestRequest = operations["ingest_stream_api_ingest_stream_post"]["requestBody"]["content"]["application/json"];

/** Which items of a feed or a sitemap are taken in. */
export type Limit = NonNullable<IngestRequest["limit"]>;

export interface Address {
  readonly url: string;
  readonly limit: Limit;
  /** Fetch it also where a document from this address is in the library. */
  readonly refresh: boolean;
}

export type Source = { readonly file: File } | Address;

/** Starts the job for a file or an address, without following it. */
export async function startIngest(source: Source): Promise<Started> {
  const body = "file" in source ? form(source.file) : json(source);
  try {
    return await request("api/ingest", { method: "POST", body });
  } catch (failure) {
    // A server that refuses a large file early closes the connection, and its reason is lost with it.
    if (failure instanceof ApiError && failure.kind === "offline" && "file" in source && (await backend.check())) {
      const size = formatBytes(source.file.size);
      throw new ApiError("offline", 0, `The upload broke off. If it does so again, ${size} may be more than the server takes.`);
    }
    throw failure;
  }
}

/**
 * Takes in the document at `url`, or of a feed or a sitemap the items that `limit` names, and follows the job.
 *
 * Exactly one of `onComplete` and `onError` is called, unless it is closed before. A connection that breaks is mended;
 * when it is closed the job goes on, and is found again by the id that `onJobId` was called with. `await` it to go on
 * when it is over.
 */
export function ingestUrlStream(
  url: string,
  limit: Limit,
  onProgress: (progress: IngestProgress) => void,
  onComplete: (complete: IngestComplete) => void,
  onError: (error: ApiError) => void,
  { refresh = false, onJobId }: { readonly refresh?: boolean; readonly onJobId?: (jobId: string) => void } = {},
): AwaitedStream {
  let complete: IngestComplete | null = null;
  return awaited((over) =>
    streamEvents("api/ingest/stream", {
      method: "POST",
      headers: session.headers,
      body: json({ url, limit, refresh }),
      streamUrl,
      onJobId,
      onEvent: (event) => {
        if (event.event === "progress") onProgress(event as unknown as IngestProgress);
        else if (event.event === "complete") complete = event as unknown as IngestComplete;
        else if (event.event === "attempt") complete = null; // it begins anew
      },
      onEnd: () => {
        over();
        if (complete !== null) onComplete(complete);
        else onError(new ApiError("server", 0, "The job ended without a word. Its log may say why."));
      },
      onError: (error) => {
        over();
        onError(refused(error));
      },
    }),
  );
}

function form(file: File): FormData {
  const body = new FormData();
  body.append("file", file);
  return body;
}

function json(asked: IngestRequest): Blob {
  return new Blob([JSON.stringify(asked)], { type: "application/json" }); // the request takes its content type from it
}

export async function listJobs(signal?: AbortSignal): Promise<readonly Job[]> {
  return (await request<{ jobs: readonly Job[] }>("api/jobs?limit=50&kind=ingest", { signal })).jobs;
}

export function getJob(id: string, signal?: AbortSignal): Promise<Job> {
  return request(`api/jobs/${encodeURIComponent(id)}`, { signal });
}

export function cancelJob(id: string): Promise<unknown> {
  return request(`api/job/${encodeURIComponent(id)}/cancel`, { method: "POST" });
}

/** Where a job's log streams from; without its last part, where it is polled. */
export function streamUrl(id: string): string {
  return `api/log/${encodeURIComponent(id)}/stream`;
}

export function listDocuments(query: string, limit: number, signal?: AbortSignal): Promise<Documents> {
  const search = new URLSearchParams({ limit: String(limit) });
  if (query !== "") search.set("q", query);
  return request(`api/documents?${search}`, { signal });
}

export function getDocument(id: string, signal?: AbortSignal): Promise<DocumentText> {
  return request(`api/documents/${encodeURIComponent(id)}`, { signal });
}

export function deleteDocument(id: string): Promise<void> {
  return request(`api/documents/${encodeURIComponent(id)}`, { method: "DELETE" });
}

/** The original as it was archived; the browser downloads it. */
export function originalUrl(id: string): string {
  return `api/documents/${encodeURIComponent(id)}/file`;
}
