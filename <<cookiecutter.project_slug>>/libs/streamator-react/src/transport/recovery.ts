/**
 * What a first connection over HTTP/2 does not need: places, refusals, and reconnects. A page loads this module with its
 * first connection, before it needs it: after a new deployment the server may not have the old file any more.
 */

import type { StreamMode } from "../types.js";
import { holdPlace } from "./places.js";
import { isMultiplexed, type AttemptEnd, type StreamRequest, type Use } from "./transport.js";
import { checkUrl, routeOf } from "./urls.js";

// The other transports import these from here: so bundlers put all of it into one file.
export { ask, refusal, sentenceOf, whyNot } from "./refusal.js";
export { replay } from "./replay.js";
export { httpUrl, resumed, routeOf, unaskable, withAfter } from "./urls.js";

/** Calls `run` with whether the stream has a place, like `holdPlace`. Returns how the attempt ends if its URL is no good. */
export function admit(request: StreamRequest, signal: AbortSignal, run: Use): AttemptEnd | null {
  const { url, mode } = request;
  const bad = checkUrl(url, mode === "ws");
  if (bad) return bad;
  // A stream that cannot poll, such as a POST, goes on without a place: it takes one of the two connections that are left.
  const polls = canPoll(request);
  const tell = (granted: boolean | null): void => run(granted, granted === false && polls ? "poll" : mode);
  if (request.crowded && polls) tell(false);
  // Outside of browsers connections have no limit.
  else if (mode === "ws" || mode === "poll" || !globalThis.location || isMultiplexed(url)) tell(true);
  else holdPlace(url, polls, signal, tell);
  return null;
}

/** Whether this request holds a connection open and could poll instead. */
function canPoll({ mode, method, url, unpollable }: StreamRequest): boolean {
  return !unpollable && mode !== "poll" && method === "GET" && routeOf(url, "") !== url;
}

/** Whether to try again at once, in another way: with new credentials, by polling, or by streaming where polling failed. */
export function another({ error }: AttemptEnd, request: StreamRequest, mode: StreamMode, opened: boolean): boolean {
  if (!error) return false;
  const { kind, status } = error;
  if (mode !== request.mode && (kind === "protocol" || status === 404 || status === 405)) return (request.unpollable = true);
  if (!opened && kind === "network") request.cursorInUrl = !request.cursorInUrl && request.cursor() !== "";
  const { headers, signUrl } = request.options();
  if (status === 401 && !request.refused && (typeof headers === "function" || signUrl)) return (request.refused = true);
  if (kind === "busy" && !request.crowded && canPoll(request)) return (request.crowded = true);
  return false;
}

/** The URL for a transport that sends no headers. */
export async function signed({ url, options, refused = false }: StreamRequest): Promise<string> {
  return (await options().signUrl?.(url, refused)) ?? url;
}
