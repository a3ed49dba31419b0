import type { Incoming } from "../store.js";
import type { StreamError, StreamErrorKind, StreamEvent, StreamHeaders } from "../types.js";

/** What one attempt asks for. */
export interface StreamRequest {
  readonly url: string;
  readonly method: string;
  readonly credentials: RequestCredentials;
  /** The last id seen, `""` for none. A function, because a poll asks again and again. */
  readonly cursor: () => string;
  /** Whether the cursor goes as `?after=` where it could be a header: a server of another origin may not allow the header. */
  readonly cursorInUrl: () => boolean;
  /** Those of the next request, with what it accepts where they do not say it. */
  readonly headers: (accept: string) => Promise<Headers>;
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

/** What it means that a URL could not be signed, or a header not be had: the status that its signer was refused with, or no answer at all. */
export function unsigned(error: unknown, url: string): AttemptEnd {
  const status = (error as { status?: unknown } | null)?.status;
  if (typeof status === "number" && status >= 400 && status < 600) return refusal(new Response(null, { status }), url);
  return failure("network", `${url} cannot be asked for: ${reason(error)}`);
}

/** What it means that the browser does not even try. */
export function unaskable(url: string, why: unknown): AttemptEnd {
  const message = `${url} cannot be asked for: ${reason(why)}`;
  return { kind: "error", error: { kind: "rejected", message }, fatal: true };
}

/** How an attempt at `url`, by a WebSocket or else by a request, ends before it has begun; null where nothing speaks against it. */
export function checkUrl(url: string, socket: boolean): AttemptEnd | null {
  try {
    const { protocol, username, password, host, pathname } = pageUrl(socket ? httpUrl(url) : url);
    if (!socket && (username || password)) return unaskable(`${protocol}//${host}${pathname}`, "no request has credentials in its URL. Give them as `headers`.");
    // A page of an app's own scheme (Electron, Capacitor) has its server there.
    const known = /^(https?|data|blob):$/.test(protocol) || (protocol !== "file:" && protocol === globalThis.location?.protocol);
    return known ? null : unaskable(url, `nothing is fetched by ${protocol} Give an http(s) URL.`);
  } catch {
    return unaskable(url, "it is no URL. Give an http(s) URL, or in a page one relative to it.");
  }
}

/**
 * One request. Gives its answer where that is 200, else how the attempt ends, with the server's own sentence. Does not
 * reject. `shown` is the URL as an error names it: without a ticket.
 */
export async function ask(url: string, init: RequestInit, shown = url): Promise<Response | AttemptEnd> {
  try {
    const response = await fetch(url, { cache: "no-store", ...init });
    return response.status === 200 ? response : refusal(response, shown, await detailOf(response));
  } catch (error) {
    return failure("network", `${shown} cannot be reached: ${reason(error)}`);
  }
}

/** The sentence in an error's body. What is not JSON is not waited for. */
async function detailOf(response: Response): Promise<string | undefined> {
  if (/json/i.test(response.headers.get("content-type") ?? "")) return sentenceOf(await response.json().catch(() => undefined));
  drop(response);
  return undefined;
}

/** Lets go of an answer that is not read. */
export function drop(response: Response): void {
  void response.body?.cancel().catch(() => undefined); // already broken: nothing is left to cancel
}

/**
 * The sentence in an error's body, as servers write it: `{"error": "..."}` (streamator), `{"detail": "..."}` and
 * `{"detail": [{"loc": [...], "msg": "..."}]}` (FastAPI), `{"title": "...", "detail": "..."}` (RFC 9457, problem details).
 */
export function sentenceOf(body: unknown): string | undefined {
  const { error, detail, title, message } = (body ?? {}) as Readonly<Record<string, unknown>>;
  const faults = Array.isArray(detail) ? detail.map(faultOf).filter(Boolean).join("; ") : "";
  return [error, detail, faults, title, message].find((sentence): sentence is string => typeof sentence === "string" && sentence !== "");
}

function faultOf(fault: { readonly loc?: unknown; readonly msg?: unknown } | null): string {
  if (typeof fault?.msg !== "string") return "";
  return Array.isArray(fault.loc) ? `${fault.loc.join(".")}: ${fault.msg}` : fault.msg;
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

/** The headers of one attempt, with what it asks for where they do not say it. */
export async function resolveHeaders(headers: StreamHeaders | undefined, accept: string, refused = false): Promise<Headers> {
  const resolved = new Headers(typeof headers === "function" ? await headers(refused) : headers);
  if (!resolved.has("accept")) resolved.set("accept", accept);
  return resolved;
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

/** `url` as `fetch` takes it: in a page a relative one begins at its `<base>`, if there is one. */
export function pageUrl(url: string): URL {
  return new URL(url, globalThis.document?.baseURI ?? globalThis.location?.href);
}

/** `url` with `after=cursor` in its query, in place of one that may be there. */
export function withAfter(url: string, cursor: string): string {
  if (cursor === "") return url;
  const [, path = "", query = "", hash = ""] = /^([^?#]*)(\?[^#]*)?(#.*)?$/.exec(url) ?? [];
  const parameters = new URLSearchParams(query);
  parameters.set("after", cursor);
  return `${path}?${parameters}${hash}`;
}

/** The snapshot route that belongs to a stream's URL: the same without its last `/stream`. */
export function pollUrl(url: string): string {
  return url.replace(/\/stream\/?(?=$|[?#])/, "");
}

/** Where a request for a WebSocket's URL goes. */
export function httpUrl(url: string): string {
  return url.replace(/^\s*ws(?=s?:)/i, "http");
}

/** What went wrong, in words. */
export function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
