import type { Incoming } from "../store.js";
import type { StreamError, StreamErrorKind, StreamEvent, StreamHeaders } from "../types.js";

/** What one attempt asks for. */
export interface StreamRequest {
  readonly url: string;
  readonly method: string;
  readonly credentials: RequestCredentials;
  /** The last id seen, `""` for none. A function, because a poll asks again and again. */
  readonly cursor: () => string;
  readonly headers: () => Promise<Headers>;
  /** A URL as it is to be asked for where headers cannot be sent. */
  readonly signed: (url: string) => Promise<string>;
  readonly body: () => BodyInit | null | undefined;
  /** Milliseconds between polls. */
  readonly interval: () => number;
}

/** Where a transport puts what it reads. Calls after the attempt's signal was aborted are ignored. */
export interface Sink {
  /** The server has accepted a request that named the cursor. A poll calls it each time; fetch gives its answer. */
  open(response?: Response): void;
  /** Bytes came in, or none are due for `grace` more milliseconds. Keeps the watchdog quiet. */
  alive(grace?: number): void;
  /** The server's reconnection time in milliseconds. */
  retry(milliseconds: number): void;
  events(batch: readonly Incoming[]): void;
  /** What the server shows up to this id has been given to `events`: a resumed stream need not ask for it again. */
  seen(id: string): void;
}

/**
 * How an attempt ended.
 * - `end`: the stream ended by itself, without a word on the job
 * - `closed`: the server says that there is nothing more to come
 * - `error`: `fatal` where another try would get the same answer; `retryAfter` in milliseconds where the server named it
 */
export type AttemptEnd =
  | { readonly kind: "end" }
  | { readonly kind: "closed" }
  | { readonly kind: "error"; readonly error: StreamError; readonly fatal: boolean; readonly retryAfter?: number };

/**
 * Runs one attempt to its end and resolves with how it ended; it knows nothing of retries.
 * It never rejects for what the network does, and stops reading when `signal` is aborted.
 */
export type Transport = (request: StreamRequest, sink: Sink, signal: AbortSignal) => Promise<AttemptEnd>;

/** setTimeout takes no more (24.8 days): a longer wait would be none at all. */
export const MAX_TIMER = 2 ** 31 - 1;

/** An attempt that another try may well mend. */
export function failure(kind: StreamErrorKind, message: string): AttemptEnd {
  return { kind: "error", error: { kind, message }, fatal: false };
}

/** What a status other than 200 means. */
export function refusal(response: Response, url: string, detail?: string): AttemptEnd {
  const { status } = response;
  if (status === 204) return { kind: "closed" };
  const kind = kindOf(status);
  const fatal = kind === "gone" || kind === "denied" || kind === "rejected";
  const words = fatal ? (kind === "gone" ? "there is no such job" : "not tried again") : "trying again";
  const retryAfter = retryAfterOf(response.headers.get("retry-after"));
  return { kind: "error", error: { kind, status, message: `${url} answered ${status}: ${words}`, detail }, fatal, retryAfter };
}

/** The sentence in an error's body, as streamator's servers write it. */
export function sentenceOf(body: unknown): string | undefined {
  const sentence = (body as { error?: unknown } | null | undefined)?.error;
  return typeof sentence === "string" ? sentence : undefined;
}

function kindOf(status: number): StreamErrorKind {
  if (status === 404 || status === 410) return "gone";
  if (status === 401 || status === 403) return "denied";
  if (status === 429) return "busy";
  if (status === 408 || status >= 500) return "server";
  return "rejected";
}

function retryAfterOf(value: string | null): number | undefined {
  if (value === null) return undefined;
  const milliseconds = /^\s*\d+\s*$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return milliseconds > 0 ? milliseconds : undefined;
}

/** The headers of one attempt. */
export async function resolveHeaders(headers: StreamHeaders | undefined, refused = false): Promise<Headers> {
  return new Headers(typeof headers === "function" ? await headers(refused) : headers);
}

/** The event in a block's data. Anything but a JSON object becomes the message of a `log` event. */
export function decodeEvent(name: string, data: string): StreamEvent {
  let value: unknown;
  try {
    value = JSON.parse(data);
  } catch {
    value = data; // not JSON: another server's plain text
  }
  return asEvent(value, name || undefined);
}

/** Any value as an event. `name` is the SSE event name, for bodies that do not carry their own. */
export function asEvent(value: unknown, name = "log"): StreamEvent {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return { event: name, message: typeof value === "string" ? value : JSON.stringify(value) };
  }
  const fields = value as Record<string, unknown>;
  return typeof fields.event === "string" ? (fields as StreamEvent) : { ...fields, event: name };
}

/** Whether it is the server's word on the process that runs the job. It is no event of the log, so it has no `t`; an event of the user's that has the same name has one. */
export function isProducerStatus(event: StreamEvent): boolean {
  return event.event === "status" && event.t === undefined;
}

/** The snapshot route that belongs to a stream's URL: the same without its last `/stream`. */
export function pollUrl(url: string): string {
  return url.replace(/\/stream\/?(?=$|[?#])/, "");
}

/** What went wrong, in words. */
export function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
