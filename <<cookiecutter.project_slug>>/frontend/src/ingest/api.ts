/** The ingest routes of the backend, typed. */

import { ApiError, request } from "../app/api";
import { backend } from "../app/backend";
import { formatBytes } from "../app/format";

export type JobStatus = "running" | "completed" | "failed" | "cancelled" | "interrupted";

export interface Job {
  readonly job_id: string;
  readonly kind: string;
  /** The file's name, or the URL. */
  readonly source: string;
  readonly status: JobStatus;
  /** ISO 8601, as all times here. */
  readonly created_at: string;
  readonly finished_at: string | null;
  readonly document_id: string | null;
  readonly error: string | null;
}

export interface DocumentSummary {
  readonly id: string;
  readonly title: string;
  readonly source: string;
  readonly kind: "text" | "markdown" | "html" | "pdf";
  readonly words: number;
  readonly bytes: number;
  readonly created_at: string;
  /** Some of the text; where the search hit, between U+0002 and U+0003. */
  readonly snippet: string | null;
}

export interface Document extends DocumentSummary {
  readonly text: string;
}

export interface DocumentList {
  readonly documents: readonly DocumentSummary[];
  /** How many there are in all, shown or not. */
  readonly total: number;
}

export type Source = { readonly file: File } | { readonly url: string };

export interface Started {
  readonly job_id: string;
  readonly source: string;
  readonly created_at: string;
}

export async function startIngest(source: Source): Promise<Started> {
  const body = new FormData();
  if ("file" in source) body.append("file", source.file);
  else body.append("url", source.url);
  try {
    return await request("/api/ingest", { method: "POST", body });
  } catch (failure) {
    // A server that refuses a large file early closes the connection, and its reason is lost with it.
    if (failure instanceof ApiError && failure.kind === "offline" && "file" in source && (await backend.check())) {
      const size = formatBytes(source.file.size);
      throw new ApiError("offline", 0, `The upload broke off. If it does so again, ${size} may be more than the server takes.`);
    }
    throw failure;
  }
}

export async function listJobs(signal?: AbortSignal): Promise<readonly Job[]> {
  return (await request<{ jobs: readonly Job[] }>("/api/jobs?limit=50", { signal })).jobs;
}

export function getJob(id: string, signal?: AbortSignal): Promise<Job> {
  return request(`/api/jobs/${encodeURIComponent(id)}`, { signal });
}

export function cancelJob(id: string): Promise<unknown> {
  return request(`/api/jobs/${encodeURIComponent(id)}/cancel`, { method: "POST" });
}

/** Where a job's log streams from; without its last part, where it is polled. */
export function streamUrl(id: string): string {
  return `/api/log/${encodeURIComponent(id)}/stream`;
}

export function listDocuments(query: string, limit: number, signal?: AbortSignal): Promise<DocumentList> {
  const search = new URLSearchParams({ limit: String(limit) });
  if (query !== "") search.set("q", query);
  return request(`/api/documents?${search}`, { signal });
}

export function getDocument(id: string, signal?: AbortSignal): Promise<Document> {
  return request(`/api/documents/${encodeURIComponent(id)}`, { signal });
}

export function deleteDocument(id: string): Promise<void> {
  return request(`/api/documents/${encodeURIComponent(id)}`, { method: "DELETE" });
}

/** The original as it was archived; the browser downloads it. */
export function originalUrl(id: string): string {
  return `/api/documents/${encodeURIComponent(id)}/file`;
}
