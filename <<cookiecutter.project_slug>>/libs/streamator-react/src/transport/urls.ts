import { failure, pageUrl, type AttemptEnd } from "./transport.js";

/** Latin-1 without control characters or spaces at the ends, which a header would lose. */
const FITS_HEADER = /^(?:[!-~\u00a1-\u00ff](?:[ -~\u00a0-\u00ff]*[!-~\u00a1-\u00ff])?)?$/;

/** How an attempt at `url` ends before it begins; null if the URL is good. `socket`: it is a WebSocket's. */
export function checkUrl(url: string, socket: boolean): AttemptEnd | null {
  try {
    const { protocol, username, password, host, pathname } = pageUrl(socket ? httpUrl(url) : url);
    if (!socket && (username || password)) return unaskable(`${protocol}//${host}${pathname}`, "no request has credentials in its URL. Give them as `headers`.");
    // Apps with a scheme of their own (Electron, Capacitor) reach their server by it.
    const known = /^(https?|data|blob):$/.test(protocol) || (protocol !== "file:" && protocol === globalThis.location?.protocol);
    return known ? null : unaskable(url, `nothing is fetched by ${protocol} Give an http(s) URL.`);
  } catch {
    return unaskable(url, "it is no URL. Give an http(s) URL, or in a page one relative to it.");
  }
}

/** How an attempt at a bad URL ends. */
export function unaskable(url: string, why: string): AttemptEnd {
  return failure("rejected", `${url} cannot be asked for: ${why}`);
}

/**
 * The URL to fetch a stream from the cursor on. The cursor goes into `headers` if it fits; `inUrl` puts it into the URL for
 * other origins, which may forbid the header.
 */
export function resumed(url: string, cursor: string, inUrl: boolean | undefined, headers: Headers): string {
  const page = globalThis.location?.origin;
  if (!FITS_HEADER.test(cursor) || (inUrl && page !== undefined && pageUrl(url).origin !== page)) return withAfter(url, cursor);
  headers.set("last-event-id", cursor);
  return url;
}

/** `url` with `after=cursor` in its query. */
export function withAfter(url: string, cursor: string): string {
  if (cursor === "") return url;
  const [, path = "", query = "", hash = ""] = /^([^?#]*)(\?[^#]*)?(#.*)?$/.exec(url) ?? [];
  const parameters = new URLSearchParams(query);
  parameters.set("after", cursor);
  return `${path}?${parameters}${hash}`;
}

/** The route beside a stream's: `route` in place of its URL's last `/stream`. `""` is the one to poll, `/ws` the WebSocket's. */
export function routeOf(url: string, route: "" | "/ws"): string {
  return url.replace(/\/stream\/?(?=$|[?#])/, route);
}

/** The http(s) URL for a ws(s) one. */
export function httpUrl(url: string): string {
  return url.replace(/^\s*ws(?=s?:)/i, "http");
}
