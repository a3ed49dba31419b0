import { listen } from "../listen.js";
import type { StreamEvent } from "../types.js";
import { asEvent, isProducerStatus, positionOf, type Incoming } from "./event.js";
import { ask, httpUrl, routeOf, withAfter } from "./recovery.js";
import { DEFAULT_INTERVAL, failure, headersOf, MAX_TIMER, type AttemptEnd, type Transport } from "./transport.js";

/**
 * Polls the snapshot route: `GET {prefix}/{job_id}?after=n` -> `{"logs", "next", "closed"}`.
 * A server may also answer `{"logs": [everything]}` each time.
 */
export const transport: Transport = async (request, sink, signal) => {
  for (;;) {
    const cursor = request.cursor();
    const url = withAfter(routeOf(httpUrl(request.url), ""), cursor);
    const headers = await headersOf(request.options(), "application/json", request.refused);
    const response = await ask(url, { headers, signal, credentials: request.credentials });
    if ("kind" in response) return response;
    let answer: unknown;
    try {
      answer = await response.json();
    } catch (error) {
      if (error instanceof SyntaxError) return notASnapshot(url);
      throw error;
    }
    if (signal.aborted) return { kind: "end" };
    if (!isSnapshot(answer)) return notASnapshot(url);

    sink.open();
    const batch = numbered(answer, cursor);
    if (batch.length > 0) sink.events(batch);
    if (answer.next !== undefined) sink.seen(String(answer.next)); // `next` may be past the last event: this viewer does not get all of them
    if (signal.aborted) return { kind: "end" };
    // `done` may stand in the middle of a log: where the server does not say, it is the end if nothing follows it.
    if (answer.closed === true || (answer.closed === undefined && batch.at(-1)?.event.event === "done")) return { kind: "closed" };
    const wait = Math.min(Math.max(0, request.options().interval ?? DEFAULT_INTERVAL), MAX_TIMER);
    sink.alive(wait);
    await sleep(wait, signal);
    if (signal.aborted) return { kind: "end" };
  }
};

interface Snapshot {
  readonly logs: readonly unknown[];
  readonly next?: unknown;
  readonly closed?: unknown;
}

function isSnapshot(value: unknown): value is Snapshot {
  return typeof value === "object" && value !== null && Array.isArray((value as { logs?: unknown }).logs);
}

function notASnapshot(url: string): AttemptEnd {
  return failure("protocol", `${url} did not answer {"logs": [...]}: is the stream's URL ".../{job_id}/stream"?`, 200);
}

/**
 * Numbers the events: `next` is the id of the last one, and the others count back from it.
 * Without `next` the answer is the whole log from 1, and only what follows the cursor is new. If the log is shorter than
 * the cursor it is another log, and all of it is new.
 */
function numbered({ logs, next }: Snapshot, cursor: string): Incoming[] {
  const events = logs.map((log) => asEvent(log));
  const total = events.filter(isNumbered).length;
  const last = next === undefined ? null : positionOf(String(next));
  let id = (last ?? total) - total;
  const batch = events.map((event) => {
    if (!isNumbered(event)) return { id: null, event };
    id += 1;
    return { id: String(id), event };
  });
  const seen = positionOf(cursor) ?? 0;
  return last !== null || total < seen ? batch : batch.filter((item) => (positionOf(item.id) ?? 0) > seen);
}

function isNumbered(event: StreamEvent): boolean {
  return event.event !== "gap" && !isProducerStatus(event);
}

function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const wake = (): void => {
      clearTimeout(timer);
      leave();
      resolve();
    };
    const timer = setTimeout(wake, milliseconds);
    const leave = listen(signal, "abort", wake);
  });
}
