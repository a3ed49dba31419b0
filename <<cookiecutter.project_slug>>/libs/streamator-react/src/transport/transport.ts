import type { Target } from "../connection.js";
import { textOf } from "../formatEvent.js";
import { reason } from "../reason.js";
import type { Incoming } from "../store.js";
import type { LogStreamOptions, StreamError, StreamErrorKind, StreamEvent, StreamMode } from "../types.js";
import { haveRecovery } from "./registry.js";

/** What is asked for, and what became of it so far. */
export interface StreamRequest extends Target {
  readonly options: () => LogStreamOptions;
  /** The last id seen, `""` for none. */
  readonly cursor: () => string;
  /** The credentials of the last attempt were refused (401): the next has others, or is the last. */
  refused?: boolean;
  /** The server has no room for another stream (429): polled from then on. */
  crowded?: boolean;
  /** It has no route to poll: what finds no place streams all the same. */
  unpollable?: boolean;
  /** Another origin may not allow the header with the cursor, which looks like no answer at all: then each way is tried in turn. */
  cursorInUrl?: boolean;
}

/**
 * Begins to read by `mode`, or ends what was read by another before: with a place for a stream or without one, and with
 * null not at all for now.
 */
export type Use = (granted: boolean | null, mode: StreamMode) => void;

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
 * - `error`: with `retryAfter` in milliseconds where the server named it
 */
export interface AttemptEnd {
  readonly kind: "end" | "closed" | "error";
  readonly error?: StreamError;
  readonly retryAfter?: number;
}

/**
 * Runs one attempt to its end and resolves with how it ended; it knows nothing of retries. It stops reading when `signal`
 * is aborted, and rejects where there is no answer, the answer breaks off, or the request cannot be signed.
 */
export type Transport = (request: StreamRequest, sink: Sink, signal: AbortSignal) => Promise<AttemptEnd>;

/** Milliseconds between two polls. */
export const DEFAULT_INTERVAL = 3_000;
/** setTimeout takes no more (24.8 days): a longer wait would be none at all. */
export const MAX_TIMER = 2 ** 31 - 1;

export function failure(kind: StreamErrorKind, message: string, status?: number): AttemptEnd {
  return { kind: "error", error: { kind, status, message } };
}

/** One request. Gives its answer where that is 200, else how the attempt ends. `shown` is the URL as an error names it: without a ticket. */
export async function ask(url: string, init: RequestInit, shown = url): Promise<Response | AttemptEnd> {
  const response = await fetch(url, { cache: "no-store", ...init });
  return response.status === 200 ? response : refused(response, shown);
}

/** What an answer means that is not what was asked for. Its body goes with the attempt, whose signal the request has. */
export async function refused(response: Response, url: string): Promise<AttemptEnd> {
  const { status } = response;
  if (status === 204) return { kind: "closed" };
  try {
    return await (await haveRecovery()).refusal(response, url);
  } catch (error) {
    return failure("network", `${url} answered ${status}: ${reason(error)}`, status);
  }
}

/** The headers of one attempt, with what it asks for where they do not say it. */
export async function headersOf({ headers }: LogStreamOptions, accept: string, again = false): Promise<Headers> {
  const all = new Headers(typeof headers === "function" ? await headers(again) : headers);
  if (!all.has("accept")) all.set("accept", accept);
  return all;
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
    return { event: name, message: textOf(value) };
  }
  const fields = value as Record<string, unknown>;
  return typeof fields.event === "string" ? (fields as StreamEvent) : { ...fields, event: name };
}

/** Whether it is the server's word on the process that runs the job. It is no event of the log, so it has no `t`; an event of the user's that has the same name has one. */
export function isProducerStatus(event: StreamEvent): boolean {
  return event.event === "status" && event.t === undefined;
}

/** `url` as `fetch` takes it: in a page a relative one begins at its `<base>`, if there is one. */
export function pageUrl(url: string): URL {
  return new URL(url, globalThis.document?.baseURI ?? globalThis.location?.href);
}

/** Whether it is the page's own server, over HTTP/2 or 3: those carry any number of streams over one connection. Of others it is not known. */
export function isMultiplexed(url: string): boolean {
  const [page] = (performance.getEntriesByType?.("navigation") ?? []) as PerformanceNavigationTiming[];
  try {
    return /^h[23]/.test(`${page?.nextHopProtocol}`) && pageUrl(url).href.startsWith(`${location.origin}/`);
  } catch {
    return false; // no URL
  }
}
