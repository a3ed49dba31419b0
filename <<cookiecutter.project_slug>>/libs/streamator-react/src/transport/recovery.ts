/**
 * What a first connection over HTTP/2 can do without: counted places, answers other than an event stream, and going on
 * after a break. A page loads it with its first connection, long before it is needed: a server that was deployed anew may
 * not have the old file any more.
 */

import { replay } from "../replay.js";
import type { StreamMode } from "../types.js";
import { holdPlace } from "./places.js";
import { refusal, sentenceOf } from "./refusal.js";
import { have } from "./registry.js";
import { isMultiplexed, type AttemptEnd, type StreamRequest, type Transport, type Use } from "./transport.js";
import { checkUrl, httpUrl, pollUrl, resumed, withAfter } from "./urls.js";

/** Calls `run` with whether there is a place for the stream, as `holdPlace` does. Gives how the attempt ends where its URL cannot be asked for. */
function admit(request: StreamRequest, signal: AbortSignal, run: Use): AttemptEnd | null {
  const { url, mode } = request;
  const unaskable = checkUrl(url, mode === "ws");
  if (unaskable) return unaskable;
  // A stream that cannot poll, such as a POST, may neither be lost nor wait: it goes on without a place. That is what
  // the two connections are for that are left.
  const polls = canPoll(request);
  const tell = (granted: boolean | null): void => run(granted, granted === false && polls ? "poll" : mode);
  if (request.crowded && polls) tell(false);
  // Outside of browsers there is no limit.
  else if (mode === "ws" || mode === "poll" || !globalThis.location || isMultiplexed(url)) tell(true);
  else holdPlace(url, polls, signal, tell);
  return null;
}

/** Whether it holds a connection open, and has a route to poll in its place. */
function canPoll({ mode, method, url, unpollable }: StreamRequest): boolean {
  return !unpollable && mode !== "poll" && method === "GET" && pollUrl(url) !== url;
}

/** Whether an attempt that ended is followed by another at once, since that is not the same: with other credentials, by polling, or no more by polling. */
function another({ error }: AttemptEnd, request: StreamRequest, mode: StreamMode, opened: boolean): boolean {
  if (!error) return false;
  const { kind, status } = error;
  if (mode !== request.mode && (kind === "protocol" || status === 404 || status === 405)) return (request.unpollable = true);
  if (!opened && kind === "network") request.cursorInUrl = !request.cursorInUrl && request.cursor() !== "";
  const { headers, signUrl } = request.options();
  if (status === 401 && !request.refused && (typeof headers === "function" || signUrl)) return (request.refused = true);
  if (kind === "busy" && !request.crowded && canPoll(request)) return (request.crowded = true);
  return false;
}

/** The URL where headers cannot be sent. */
async function signed({ url, options, refused = false }: StreamRequest): Promise<string> {
  return (await options().signUrl?.(url, refused)) ?? url;
}

// Those of `streamator-react/poll` and so on.
const load = {
  eventsource: () => import("../eventsource.js"),
  poll: () => import("../poll.js"),
  ws: () => import("../ws.js"),
};

/** What reads a mode that fetch does not, or not in this browser. */
function transportOf(mode: StreamMode): Promise<Transport> {
  const name = mode === "sse" ? "eventsource" : mode;
  return have(name, load[name]);
}

export const recovery = { admit, another, httpUrl, pollUrl, refusal, replay, resumed, sentenceOf, signed, transportOf, withAfter };

export type Recovery = typeof recovery;
