/** URLs, for what takes none that are relative, or says in them what fetch says in headers. */

import { failure, reason, refusal, type AttemptEnd } from "./transport.js";

/** `url` with `after=cursor` in its query, in place of one that may be there. */
export function withAfter(url: string, cursor: string): string {
  if (cursor === "") return url;
  const [, path = "", query = "", hash = ""] = /^([^?#]*)(\?[^#]*)?(#.*)?$/.exec(url) ?? [];
  const parameters = new URLSearchParams(query);
  parameters.set("after", cursor);
  return `${path}?${parameters}${hash}`;
}

/** What it means that a URL could not be signed: the status that its signer was refused with, or no answer at all. */
export function unsigned(error: unknown, url: string): AttemptEnd {
  const status = (error as { status?: unknown } | null)?.status;
  if (typeof status === "number" && status >= 400 && status < 600) return refusal(new Response(null, { status }), url);
  return failure("network", `${url} cannot be asked for: ${reason(error)}`);
}

/** `url` as `fetch` takes it: in a page a relative one begins at its `<base>`, if there is one. */
export function pageUrl(url: string): URL {
  return new URL(url, globalThis.document?.baseURI ?? globalThis.location?.href ?? "http://localhost");
}
