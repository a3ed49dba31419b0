/** The one way to the backend: JSON in, JSON or a typed error out. */

import { backend } from "./backend";
import { session } from "./session";

/**
 * What went wrong, as far as the page reacts to it differently:
 * `offline` the backend does not answer, `signed-out` 401, `not-found` 404, `too-large` 413, `bad-type` 415,
 * `busy` 429, `invalid` any other 4xx, `server` any 5xx that the backend itself sent.
 */
export type ApiErrorKind = "offline" | "signed-out" | "not-found" | "too-large" | "bad-type" | "busy" | "invalid" | "server";

export class ApiError extends Error {
  readonly kind: ApiErrorKind;
  /** The HTTP status, 0 when there was no answer. */
  readonly status: number;

  constructor(kind: ApiErrorKind, status: number, message: string) {
    super(message);
    this.name = "ApiError";
    this.kind = kind;
    this.status = status;
  }
}

/**
 * Fetches `path` as the user who has signed in, and gives its JSON (undefined for 204). It has no slash in front: like
 * every address here it begins at the page's `<base>`, wherever the app is on its host.
 *
 * Throws an ApiError whose message is fit for the user; an abort by `init.signal` passes through as it is.
 * Each answer also tells `backend` that the server is up, and a missing one makes it look.
 */
export async function request<T>(path: string, init?: RequestInit): Promise<T> {
  return answerOf(await authorised(path, init), init?.signal);
}

/** The same as nobody in particular: for what it takes to sign in, and to know whether one has to. */
export async function requestOpenly<T>(path: string, init?: RequestInit): Promise<T> {
  return answerOf(await send(path, init, {}), init?.signal);
}

/** The same for what is not JSON; the name is the one that the server gives it. */
export async function requestFile(path: string): Promise<File> {
  const response = await authorised(path, undefined);
  if (!response.ok) return answerOf(response, null);
  backend.answered();
  try {
    return new File([await response.blob()], fileName(response.headers.get("content-disposition") ?? ""));
  } catch {
    throw offline(response.status); // the answer broke off
  }
}

/** The name in a `content-disposition`: plain, or percent-encoded (RFC 6266). */
function fileName(disposition: string): string {
  const [, encoded] = /filename\*=utf-8''([^;\s]+)/i.exec(disposition) ?? [];
  if (encoded !== undefined) return decodeURIComponent(encoded);
  return /filename="([^"]*)"/i.exec(disposition)?.[1] ?? "download";
}

/** A token that the server takes no longer costs a second request, with another. */
async function authorised(path: string, init: RequestInit | undefined): Promise<Response> {
  const response = await send(path, init, await session.headers(false));
  if (response.status !== 401) return response;
  const others = await session.headers(true);
  return Object.keys(others).length === 0 ? response : send(path, init, others);
}

async function send(path: string, init: RequestInit | undefined, credentials: Readonly<Record<string, string>>): Promise<Response> {
  try {
    return await fetch(path, { ...init, headers: { accept: "application/json", ...credentials, ...init?.headers } });
  } catch (error) {
    if (init?.signal?.aborted) throw error;
    throw offline(0);
  }
}

async function answerOf<T>(response: Response, signal: AbortSignal | null | undefined): Promise<T> {
  const body = await readJson(response, signal);
  if (response.ok) {
    backend.answered();
    return body as T;
  }

  const sentence = sentenceOf(body);
  // A gateway's error without the backend's own sentence: something in front answered for a backend that is away.
  if (response.status >= 502 && response.status <= 504 && sentence === null) throw offline(response.status);
  backend.answered();
  throw new ApiError(kindOf(response.status), response.status, sentence ?? fallbackSentence(response.status));
}

/** What a stream was refused or broken with, in the words of any other request. */
export function refused({ status = 0, detail }: { readonly status?: number; readonly detail?: string }): ApiError {
  if (status < 400) return offline(status);
  return new ApiError(kindOf(status), status, detail === undefined ? fallbackSentence(status) : asSentence(detail));
}

/** The user's words for any error: an ApiError's message, or that of whatever else was thrown. */
export function explain(error: unknown): string {
  if (error instanceof Error && error.message !== "") return error.message;
  return "Something went wrong, and there is no more to say about it. Reload the page and try again.";
}

/** The same, or null where the banner over the page says it already: the backend is away. */
export function explainHere(error: unknown): string | null {
  return error === null || (error instanceof ApiError && error.kind === "offline") ? null : explain(error);
}

function offline(status: number): ApiError {
  void backend.check(); // one broken connection is not yet a backend that is away
  return new ApiError("offline", status, "The backend does not answer. Check that it is running, then try again.");
}

async function readJson(response: Response, signal: AbortSignal | null | undefined): Promise<unknown> {
  if (response.status === 204) return undefined;
  let text: string;
  try {
    text = await response.text();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw offline(response.status); // the answer broke off
  }
  try {
    return JSON.parse(text);
  } catch {
    if (response.ok) throw new ApiError("server", response.status, "The backend's answer was not JSON. Is another server on its port?");
    return undefined;
  }
}

function sentenceOf(body: unknown): string | null {
  if (typeof body !== "object" || body === null || !("error" in body)) return null;
  return typeof body.error === "string" && body.error !== "" ? asSentence(body.error) : null;
}

/** The backend words its errors like any program; a page speaks in sentences. */
function asSentence(text: string): string {
  const begun = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?…]$/.test(begun) ? begun : `${begun}.`;
}

function kindOf(status: number): ApiErrorKind {
  if (status === 401) return "signed-out";
  if (status === 404) return "not-found";
  if (status === 413) return "too-large";
  if (status === 415) return "bad-type";
  if (status === 429) return "busy";
  return status < 500 ? "invalid" : "server";
}

function fallbackSentence(status: number): string {
  switch (kindOf(status)) {
    case "signed-out":
      return "Sign in first.";
    case "not-found":
      return "This is not there any more.";
    case "too-large":
      return "The file is too large for the server.";
    case "bad-type":
      return "The server does not take this type of file. It takes text, Markdown, HTML and PDF.";
    case "busy":
      return "Too many jobs are running. Wait until one has finished, then try again.";
    case "server":
      return `The backend failed with status ${status}. Its output in the terminal says why.`;
    default:
      return `The backend refused the request with status ${status}.`;
  }
}
