import type { StreamErrorKind } from "../types.js";
import { failure, type AttemptEnd } from "./transport.js";

/** What an answer means that is no event stream: its status, the server's own sentence, and when to ask again. */
export async function refusal(response: Response, url: string): Promise<AttemptEnd> {
  const { status, headers } = response;
  const type = headers.get("content-type");
  if (status === 200) return failure("protocol", `${url} answered ${type ?? "no content type"}, not text/event-stream: is it the stream's URL?`, status);
  const kind = kindOf(status);
  const words = { gone: ": there is no such job", denied: ": not tried again", rejected: ": not tried again" }[kind as string] ?? "";
  // What is not JSON is not waited for.
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
