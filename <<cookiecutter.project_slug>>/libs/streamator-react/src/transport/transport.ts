import type { LogStreamOptions, StreamError, StreamErrorKind, StreamMode } from "../types.js";
import type { Incoming } from "./event.js";

/** What a connection is for. A change of one of these needs another connection. */
export interface Target {
  readonly url: string;
  readonly mode: StreamMode;
  readonly method: string;
  readonly credentials: RequestCredentials;
}

/** What to ask for, and what the attempts so far have learned. */
export interface StreamRequest extends Target {
  /** The events that the server may send by name. */
  readonly names: readonly string[];
  readonly options: () => LogStreamOptions;
  /** The last id, `""` for none. */
  readonly cursor: () => string;
  /** The last attempt's credentials were refused (401). The next attempt has new ones or is the last. */
  refused?: boolean;
  /** The server has no room for another stream (429): poll from now on. */
  crowded?: boolean;
  /** The server has no route to poll: stream even without a place. */
  unpollable?: boolean;
  /** Send the cursor in the URL. Another origin may forbid the header, which looks like no answer: so each way is tried in turn. */
  cursorInUrl?: boolean;
}

/**
 * Starts to read by `mode`, in place of what read before. `granted`: whether the stream has a place; null: read nothing
 * for now.
 */
export type Use = (granted: boolean | null, mode: StreamMode) => void;

/** A transport hands over here what it reads. Calls after the attempt's signal aborted do nothing. */
export interface Sink {
  /** The server accepted a request with the cursor. A poll calls it each time; fetch passes its answer. */
  open(response?: Response): void;
  /** Bytes came in. None are due for `grace` more milliseconds. Resets the watchdog. */
  alive(grace?: number): void;
  /** The server's reconnection time in milliseconds. */
  retry(milliseconds: number): void;
  events(batch: readonly Incoming[]): void;
  /** This viewer has all its events up to this id: a resumed stream asks for the next ones. */
  seen(id: string): void;
}

/**
 * How an attempt ended.
 * - `end`: the stream ended, and the server did not say that the job is over
 * - `closed`: the server said that nothing more will come
 * - `error`: with `retryAfter` in milliseconds if the server sent it
 */
export interface AttemptEnd {
  readonly kind: "end" | "closed" | "error";
  readonly error?: StreamError;
  readonly retryAfter?: number;
}

/**
 * Runs one attempt and resolves with how it ended. It does not retry. It stops reading when `signal` aborts. It rejects if
 * there is no answer, the answer breaks off, or the request cannot be signed.
 */
export type Transport = (request: StreamRequest, sink: Sink, signal: AbortSignal) => Promise<AttemptEnd>;

/** Milliseconds between two polls. */
export const DEFAULT_INTERVAL = 3_000;
/** The longest time that setTimeout takes (24.8 days). With a longer one it fires at once. */
export const MAX_TIMER = 2 ** 31 - 1;

export function failure(kind: StreamErrorKind, message: string, status?: number): AttemptEnd {
  return { kind: "error", error: { kind, status, message } };
}

/** The headers of one attempt, with `accept` unless they have one. */
export async function headersOf({ headers }: LogStreamOptions, accept: string, again = false): Promise<Headers> {
  const all = new Headers(typeof headers === "function" ? await headers(again) : headers);
  if (!all.has("accept")) all.set("accept", accept);
  return all;
}

/** `url` as `fetch` reads it: a relative one begins at the page's `<base>`. */
export function pageUrl(url: string): URL {
  return new URL(url, globalThis.document?.baseURI ?? globalThis.location?.href);
}

/** Whether `url` is of the page's own server over HTTP/2 or 3, which carry any number of streams. Other servers' protocols are unknown. */
export function isMultiplexed(url: string): boolean {
  const [page] = (performance.getEntriesByType?.("navigation") ?? []) as PerformanceNavigationTiming[];
  try {
    return /^h[23]/.test(`${page?.nextHopProtocol}`) && pageUrl(url).href.startsWith(`${location.origin}/`);
  } catch {
    return false; // no URL
  }
}

/** The message of anything that was thrown. */
export function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
