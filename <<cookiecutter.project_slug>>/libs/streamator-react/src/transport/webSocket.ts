import { listen } from "../listen.js";
import { asEvent, type Incoming } from "./event.js";
import { httpUrl, routeOf, signed, unaskable, whyNot, withAfter } from "./recovery.js";
import { failure, headersOf, pageUrl, reason, type AttemptEnd, type StreamRequest, type Transport } from "./transport.js";

/** How an attempt ends by the server's close codes. Any other code means that the connection broke. */
const ENDS: Readonly<Record<number, (url: string) => AttemptEnd>> = {
  1000: () => ({ kind: "closed" }),
  1001: () => ({ kind: "end" }), // going away
  1012: () => ({ kind: "end" }), // restart
  1013: (url) => failure("server", `${url}: the server cannot read its store: trying again`),
  4401: (url) => failure("denied", `${url}: the permission has ended, or there was none`, 401),
  4404: (url) => failure("gone", `${url}: there is no such job`, 404),
  4429: (url) => failure("busy", `${url}: too many streams are open: trying again`, 429),
};

/**
 * Reads a stream over a WebSocket: JSON arrays of `{"id", "event"}`, an empty one as a heartbeat.
 * It sends no headers. If it does not open, the browser hides why, so a request to the stream's own route finds out.
 */
export const transport: Transport = async (request, sink, signal) => {
  const url = await signed(request);
  if (signal.aborted) return { kind: "end" };
  let socket: WebSocket;
  try {
    socket = new WebSocket(socketUrl(withAfter(url, request.cursor())));
  } catch (error) {
    return unaskable(request.url, reason(error));
  }
  return new Promise((resolve) => {
    let open = false;
    const finish = (end: AttemptEnd | Promise<AttemptEnd>): void => {
      for (const leave of listening) leave();
      socket.close();
      resolve(end);
    };

    const receive = ({ data }: MessageEvent<unknown>): void => {
      const batch = batchOf(data);
      if (batch === null) {
        finish(failure("protocol", `${request.url} sent over its WebSocket what is no JSON array: is it a streamator server?`));
        return;
      }
      // Not at the socket's own `open`: for an unknown job it opens, too, and is then closed.
      if (!open) sink.open();
      open = true;
      sink.alive();
      const events = batch.filter((item): item is Incoming => item.event !== null);
      if (events.length > 0) sink.events(events);
      for (const { id, event } of batch) if (event === null && id !== null) sink.seen(id);
    };
    const listening = [
      listen(signal, "abort", () => finish({ kind: "end" })),
      listen(socket, "message", receive),
      listen(socket, "close", ({ code }: CloseEvent) => {
        const broken = (): AttemptEnd => failure("network", `the WebSocket of ${request.url} broke off (${code})`);
        finish(ENDS[code]?.(request.url) ?? (open ? broken() : refusedSocket(request, signal)));
      }),
    ];
  });
};

async function refusedSocket(request: StreamRequest, signal: AbortSignal): Promise<AttemptEnd> {
  const url = httpUrl(request.url);
  const headers = await headersOf(request.options(), "text/event-stream", request.refused);
  return whyNot(url, request, signal, headers, `${url} opens no WebSocket, but answers: does a proxy let none through?`);
}

/** The events in a message; null if it is not streamator's. */
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
    // An item without an event only moves the cursor past events that this viewer does not get.
    event: item?.event ? asEvent(item.event) : null,
  }));
}

/** The WebSocket's URL beside a stream's. */
function socketUrl(url: string): string {
  const absolute = pageUrl(routeOf(url, "/ws"));
  absolute.protocol = absolute.protocol === "https:" || absolute.protocol === "wss:" ? "wss:" : "ws:";
  absolute.hash = ""; // a WebSocket takes none
  return absolute.href;
}
