/** The generation routes of the backend, typed; also for code without React. */

import { draftAfter, streamEvents } from "streamator-react";
import type { JobOptions, StreamEvent } from "streamator-react";
import { request } from "../app/api";
import { awaited } from "../app/awaited";
import type { AwaitedStream } from "../app/awaited";
import { session } from "../app/session";
import type { GenerationComplete, GenerationProgress, Run, RunChoices, RunDetail, RunResult } from "../app/schema";

export type { GenerationComplete, GenerationProgress, Run, RunChoices, RunDetail, RunMetadata } from "../app/schema";

export type Length = RunDetail["length"];

/** What to write: of which text, by which prompt, how. */
export interface RunParams {
  readonly text: string;
  readonly prompt: string;
  readonly options: { readonly provider: Run["provider"] | null; readonly length: Length };
}

export interface GenerationCallbacks {
  /** Called first, with the id by which the run is found again. */
  readonly onJobId?: (jobId: string) => void;
  readonly onProgress?: (progress: GenerationProgress) => void;
  /** The whole draft so far, each time it has grown or changed. */
  readonly onDraft?: (draft: string) => void;
  /** What the model says to itself, each time there is more of it; it is no part of the draft. */
  readonly onReasoning?: (reasoning: string) => void;
  /** The end of a run that has an output; whether it keeps the rules is its `success`. */
  readonly onComplete?: (complete: GenerationComplete) => void;
  /** The end of a run without one: it failed, was cancelled, or could not be started. */
  readonly onError?: (message: string) => void;
}

/**
 * Starts a run and follows it. Exactly one of `onComplete` and `onError` is called, unless it is closed before.
 * A connection that breaks is mended; when it is closed the run goes on. `await` it to go on when it is over.
 */
export function generateContentStream(params: RunParams, callbacks: GenerationCallbacks): AwaitedStream {
  let draft = "";
  let reasoning = "";
  let complete: GenerationComplete | null = null;
  let message: string | null = null;
  const { url, ...start } = startRequest(params);
  return awaited((over) =>
    streamEvents(url, {
      ...start,
      headers: session.headers,
      streamUrl: followOptions.streamUrl,
      onJobId: callbacks.onJobId,
      onEvent: (event) => {
        debugEvent(event);
        if (event.event === "progress") callbacks.onProgress?.(event as unknown as GenerationProgress);
        else if (event.event === "complete") complete = event as unknown as GenerationComplete;
        else if (event.event === "error") message = event.message ?? null;
        else if (event.event === "attempt") [reasoning, complete, message] = ["", null, null]; // it begins anew
        else if (event.event === "reasoning" && typeof event.reasoning === "string") {
          reasoning += event.reasoning;
          callbacks.onReasoning?.(reasoning);
        }
        const grown = draftAfter(draft, event);
        if (grown === draft) return;
        draft = grown;
        callbacks.onDraft?.(draft);
      },
      onEnd: (outcome) => {
        over();
        if (complete !== null) callbacks.onComplete?.(complete);
        else callbacks.onError?.(message ?? (outcome === "cancelled" ? "The run was cancelled." : "The run ended without an output."));
      },
      onError: (error) => {
        over();
        callbacks.onError?.(error.detail ?? error.message);
      },
    }),
  );
}

/** Makes a run and gives its whole result at once. */
export function generateContent(params: RunParams): Promise<RunResult> {
  return request("api/run", { method: "POST", body: json(params) });
}

/** The request that starts a run and is answered with its stream, for `useJob`. */
export function startRequest(params: RunParams): { readonly url: string; readonly method: "POST"; readonly body: Blob } {
  return { url: "api/run/stream", method: "POST", body: json(params) };
}

function json(value: unknown): Blob {
  return new Blob([JSON.stringify(value)], { type: "application/json" }); // the request takes its content type from it
}

/** How `useJob` finds a run again: by the log that it has as a job. */
export const followOptions = {
  streamUrl: (jobId: string) => `api/log/${encodeURIComponent(jobId)}/stream`,
  cancelUrl: (jobId: string) => `api/job/${encodeURIComponent(jobId)}/cancel`,
  resultUrl: null, // its `complete` event has it
} satisfies JobOptions;

export function getChoices(signal?: AbortSignal): Promise<RunChoices> {
  return request("api/run/options", { signal });
}

export async function listRuns(signal?: AbortSignal): Promise<readonly Run[]> {
  return (await request<{ runs: readonly Run[] }>("api/runs?limit=50", { signal })).runs;
}

export function getRun(jobId: string, signal?: AbortSignal): Promise<RunDetail> {
  return request(`api/runs/${encodeURIComponent(jobId)}`, { signal });
}

export function cancelRun(jobId: string): Promise<unknown> {
  return request(followOptions.cancelUrl(jobId), { method: "POST" });
}

/** `localStorage.DEBUG_STREAMING = "1"` shows every event of every run in the browser's console. */
export function debugEvent(event: StreamEvent): void {
  try {
    if (!localStorage.getItem("DEBUG_STREAMING")) return;
  } catch {
    return; // storage is blocked
  }
  // oxlint-disable-next-line no-console -- asked for; Chrome hides what console.debug prints
  console.info("[generation]", event.event, event);
}
