import { listen } from "../listen.js";
import { decodeEvent } from "./event.js";
import { signed, unaskable, whyNot, withAfter } from "./recovery.js";
import { failure, reason, type AttemptEnd, type Transport } from "./transport.js";

/** EventSource delivers a named event only to a listener for that name. */
const NAMES = ["message", "log", "progress", "gap", "status", "attempt", "checkpoint", "done"];

/**
 * Reads an event stream with EventSource. It sends no headers and shows neither status nor heartbeats, so there is no
 * watchdog. The first error closes it: its own reconnect takes no cursor, and it gives up for good on any answer but 200.
 */
export const transport: Transport = async (request, sink, signal) => {
  const url = withAfter(await signed(request), request.cursor());
  if (signal.aborted) return { kind: "end" };
  let source: EventSource;
  try {
    source = new EventSource(url, { withCredentials: request.credentials === "include" });
  } catch (error) {
    return unaskable(request.url, reason(error));
  }
  return new Promise((resolve) => {
    let opened = false;
    const finish = (end: AttemptEnd | Promise<AttemptEnd>): void => {
      source.close();
      leave();
      resolve(end);
    };
    const leave = listen(signal, "abort", () => finish({ kind: "end" }));

    // `lastEventId` repeats the last id on events without one: only a new id is this event's.
    let lastId = "";
    const receive = ({ type, data, lastEventId }: MessageEvent<string>): void => {
      const id = lastEventId === lastId ? null : lastEventId;
      lastId = lastEventId;
      sink.events([{ id, event: decodeEvent(type === "message" ? "" : type, data) }]);
    };
    for (const name of [...NAMES, ...request.names]) source.addEventListener(name, receive as (event: Event) => void);
    source.addEventListener("open", () => {
      opened = true;
      sink.open();
      sink.alive(Number.POSITIVE_INFINITY);
    });
    source.addEventListener("error", (event) => {
      const refused = !opened && source.readyState === 2; // CLOSED: the answer was no event stream
      if ("data" in event) receive(event as MessageEvent<string>); // an event of the server's that is named "error"
      else if (refused) finish(whyNot(url, request, signal, { accept: "text/event-stream" }, `${request.url} refused EventSource`));
      else finish(opened ? { kind: "end" } : failure("network", `${request.url} cannot be reached`));
    });
  });
};
