import { makeListening } from "../listening.js";
import type { Incoming } from "../store.js";
import { ask, asEvent, drop, failure, httpUrl, pageUrl, unaskable, unsigned, withAfter, type AttemptEnd, type StreamRequest, type Transport } from "./transport.js";

/** The server's close codes; any other means that the connection broke. */
const CLOSED = 1000;
const GOING_AWAY = 1001;
const RESTART = 1012;
const TRY_LATER = 1013;
const UNAUTHORIZED = 4401;
const NOT_FOUND = 4404;
const BUSY = 4429;

/**
 * Reads a stream over a WebSocket: JSON arrays of `{"id", "event"}`, an empty one as a heartbeat.
 * It can send no headers, and the browser says nothing of why one did not open: then the stream's own route is asked.
 */
export const webSocket: Transport = async (request, sink, signal) => {
  let url: string;
  try {
    url = await request.signed(request.url);
  } catch (error) {
    return unsigned(error, request.url);
  }
  if (signal.aborted) return { kind: "end" };
  let socket: WebSocket;
  try {
    socket = new WebSocket(socketUrl(url, request.cursor()));
  } catch (error) {
    return unaskable(request.url, error);
  }
  return new Promise((resolve) => {
    let open = false;
    const { on, stop } = makeListening();
    const finish = (end: AttemptEnd | Promise<AttemptEnd>): void => {
      stop();
      socket.close();
      resolve(end);
    };
    on(signal, "abort", () => finish({ kind: "end" }));

    const receive = ({ data }: MessageEvent<unknown>): void => {
      const batch = batchOf(data);
      if (batch === null) {
        const message = `${request.url} sent over its WebSocket what is no JSON array: is it a streamator server?`;
        finish({ kind: "error", error: { kind: "protocol", message }, fatal: true });
        return;
      }
      // Not before: a socket opens also for a job that there is not, and is then closed.
      if (!open) sink.open();
      open = true;
      sink.alive();
      const events = batch.filter((item): item is Incoming => item.event !== null);
      if (events.length > 0) sink.events(events);
      for (const { id, event } of batch) if (event === null && id !== null) sink.seen(id);
    };
    on(socket, "message", receive);
    on(socket, "close", ({ code }: CloseEvent) => finish(endOf(code, open, request, signal)));
  });
};

function endOf(code: number, open: boolean, request: StreamRequest, signal: AbortSignal): AttemptEnd | Promise<AttemptEnd> {
  const { url } = request;
  switch (code) {
    case CLOSED:
      return { kind: "closed" };
    case GOING_AWAY:
    case RESTART:
      return { kind: "end" };
    case TRY_LATER:
      return failure("server", `${url}: the server cannot read its store: trying again`);
    case UNAUTHORIZED:
      return { kind: "error", error: { kind: "denied", status: 401, message: `${url}: the permission has ended, or there was none` }, fatal: true };
    case BUSY:
      return { kind: "error", error: { kind: "busy", status: 429, message: `${url}: too many streams are open: trying again` }, fatal: false };
    case NOT_FOUND:
      return { kind: "error", error: { kind: "gone", status: 404, message: `${url}: there is no such job` }, fatal: true };
    default:
      return open ? failure("network", `the WebSocket of ${url} broke off (${code})`) : whyNot(request, signal);
  }
}

/** The status decides whether another try makes sense, and only a request shows it. */
async function whyNot(request: StreamRequest, signal: AbortSignal): Promise<AttemptEnd> {
  const url = httpUrl(request.url);
  let headers: Headers;
  try {
    headers = await request.headers("text/event-stream");
  } catch (error) {
    return unsigned(error, url);
  }
  const response = await ask(url, { headers, signal, credentials: request.credentials });
  if ("kind" in response) return response;
  drop(response);
  return failure("network", `${url} opens no WebSocket, but answers: does a proxy let none through?`);
}

/** The events in a message; null where it is not one of the server's. */
function batchOf(data: unknown): (Incoming | { id: string | null; event: null })[] | null {
  let items: unknown;
  try {
    items = JSON.parse(String(data));
  } catch {
    return null;
  }
  if (!Array.isArray(items)) return null;
  return (items as ({ id?: unknown; event?: unknown } | null)[]).map((item) => ({
    id: typeof item?.id === "number" || typeof item?.id === "string" ? String(item.id) : null,
    // A heartbeat may name the last of the events that are not shown to us: there is nothing to show.
    event: item?.event ? asEvent(item.event) : null,
  }));
}

/** The socket that belongs to a stream's URL: `/ws` in place of its last `/stream`. */
function socketUrl(url: string, cursor: string): string {
  const path = withAfter(url.replace(/\/stream\/?(?=$|[?#])/, "/ws"), cursor);
  const absolute = pageUrl(path);
  absolute.protocol = absolute.protocol === "https:" || absolute.protocol === "wss:" ? "wss:" : "ws:";
  absolute.hash = ""; // a WebSocket takes none
  return absolute.href;
}
