import type { StreamErrorKind } from "../types.js";
import { failure, type AttemptEnd, type StreamRequest } from "./transport.js";

/** Sends one request. Returns its answer if that is 200, else how the attempt ends. `shown` is the URL for error messages, without a ticket. */
export async function ask(url: string, init: RequestInit, shown = url): Promise<Response | AttemptEnd> {
  const response = await fetch(url, { cache: "no-store", ...init });
  if (response.status === 200) return response;
  return response.status === 204 ? { kind: "closed" } : refusal(response, shown);
}

/** Finds out why a stream was refused, for a transport that hides the status: it decides whether to try again. `otherwise` is the message for a 200. */
export async function whyNot(url: string, request: StreamRequest, signal: AbortSignal, headers: HeadersInit, otherwise: string): Promise<AttemptEnd> {
  const response = await ask(url, { headers, signal, credentials: request.credentials }, request.url);
  return "kind" in response ? response : failure("network", otherwise);
}

/** How an attempt ends whose answer is no event stream: by its status, with the server's own sentence and `Retry-After`. */
export async function refusal(response: Response, url: string): Promise<AttemptEnd> {
  const { status, headers } = response;
  const type = headers.get("content-type");
  if (status === 200) return failure("protocol", `${url} answered ${type ?? "no content type"}, not text/event-stream: is it the stream's URL?`, status);
  const kind = kindOf(status);
  const words = { gone: ": there is no such job", denied: ": not tried again", rejected: ": not tried again" }[kind as string] ?? "";
  // Do not wait for a body that is not JSON.
  const detail = type && /json/i.test(type) ? sentenceOf(await response.json().catch(() => undefined)) : undefined;
  const retryAfter = retryAfterOf(headers.get("retry-after"));
  return { kind: "error", error: { kind, status, message: `${url} answered ${status}${words}`, detail }, retryAfter };
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
