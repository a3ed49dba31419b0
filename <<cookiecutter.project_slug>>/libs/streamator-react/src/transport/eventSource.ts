import { BASE_EVENT_LABELS } from "../formatEvent.js";
import { ask, decodeEvent, drop, failure, unaskable, unsigned, withAfter, type AttemptEnd, type StreamRequest, type Transport } from "./transport.js";

/** EventSource hands out named events only to who asks for the name. */
const NAMES = ["log", "progress", "gap", "status", "done", ...Object.keys(BASE_EVENT_LABELS)];

/**
 * Reads an event stream with EventSource. It can neither send headers nor see a status or a heartbeat, so there is
 * no watchdog. It is closed at the first error: its own reconnect cannot be told a cursor, and it gives up for good
 * on any answer but 200.
 */
export const eventSource: Transport = async (request, sink, signal) => {
  let url: string;
  try {
    url = withAfter(await request.signed(request.url), request.cursor());
  } catch (error) {
    return unsigned(error, request.url);
  }
  if (signal.aborted) return { kind: "end" };
  let source: EventSource;
  try {
    source = new EventSource(url, { withCredentials: request.credentials === "include" });
  } catch (error) {
    return unaskable(request.url, error);
  }
  return new Promise((resolve) => {
    let opened = false;
    const finish = (end: AttemptEnd | Promise<AttemptEnd>): void => {
      source.close();
      signal.removeEventListener("abort", abort);
      resolve(end);
    };
    const abort = (): void => finish({ kind: "end" });
    signal.addEventListener("abort", abort);

    // `lastEventId` stays on later events that have none of their own; only a new one is this event's.
    let lastId = "";
    const receive = ({ type, data, lastEventId }: MessageEvent<string>): void => {
      const id = lastEventId === lastId ? null : lastEventId;
      lastId = lastEventId;
      sink.events([{ id, event: decodeEvent(type === "message" ? "" : type, data) }]);
    };
    for (const name of ["message", ...NAMES]) source.addEventListener(name, receive as (event: Event) => void);
    source.addEventListener("open", () => {
      opened = true;
      sink.open();
      sink.alive(Number.POSITIVE_INFINITY);
    });
    source.addEventListener("error", (event) => {
      if ("data" in event) {
        receive(event as MessageEvent<string>); // the server's own event, named "error"
        return;
      }
      const refused = !opened && source.readyState === 2; // CLOSED: an answer that is no event stream
      if (refused) finish(askWhy(url, request, signal));
      else finish(opened ? { kind: "end" } : failure("network", `${request.url} cannot be reached`));
    });
  });
};

/** EventSource says only that it failed. The status decides whether another try makes sense, so ask for it. */
async function askWhy(url: string, request: StreamRequest, signal: AbortSignal): Promise<AttemptEnd> {
  const response = await ask(url, { headers: { accept: "text/event-stream" }, signal, credentials: request.credentials }, request.url);
  if ("kind" in response) return response;
  drop(response);
  return failure("network", `${request.url} refused EventSource`);
}
