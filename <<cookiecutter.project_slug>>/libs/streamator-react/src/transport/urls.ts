import { failure, pageUrl, type AttemptEnd } from "./transport.js";

/** Latin-1 without control characters, and without spaces around it, which are cut off. */
const FITS_HEADER = /^(?:[!-~\u00a1-\u00ff](?:[ -~\u00a0-\u00ff]*[!-~\u00a1-\u00ff])?)?$/;

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

function unaskable(url: string, why: string): AttemptEnd {
  return failure("rejected", `${url} cannot be asked for: ${why}`);
}

/**
 * Where a stream is asked for by fetch from a cursor on, which goes into the `headers` where it can. `inUrl`: not to another
 * origin, which may not allow that header.
 */
export function resumed(url: string, cursor: string, inUrl: boolean | undefined, headers: Headers): string {
  const page = globalThis.location?.origin;
  if (!FITS_HEADER.test(cursor) || (inUrl && page !== undefined && pageUrl(url).origin !== page)) return withAfter(url, cursor);
  headers.set("last-event-id", cursor);
  return url;
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
