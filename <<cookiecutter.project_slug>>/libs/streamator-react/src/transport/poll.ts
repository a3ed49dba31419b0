import type { Incoming } from "../store.js";
import { positionOf } from "../store.js";
import type { StreamEvent } from "../types.js";
import { ask, asEvent, failure, httpUrl, isProducerStatus, MAX_TIMER, pollUrl, reason, unsigned, withAfter, type AttemptEnd, type Transport } from "./transport.js";

/**
 * Asks the snapshot route again and again: `GET {prefix}/{job_id}?after=n` -> `{"logs", "next", "closed"}`.
 * Also takes a server that sends only `{"logs": [everything]}` each time.
 */
export const poll: Transport = async (request, sink, signal) => {
  for (;;) {
    const cursor = request.cursor();
    const url = withAfter(pollUrl(httpUrl(request.url)), cursor);
    let headers: Headers;
    try {
      headers = await request.headers("application/json");
    } catch (error) {
      return unsigned(error, url);
    }
    const response = await ask(url, { headers, signal, credentials: request.credentials });
    if ("kind" in response) return response;
    let answer: unknown;
    try {
      answer = await response.json();
    } catch (error) {
      if (error instanceof SyntaxError) return notASnapshot(url);
      return failure("network", `${url} cannot be reached: ${reason(error)}`);
    }
    if (signal.aborted) return { kind: "end" };
    if (!isSnapshot(answer)) return notASnapshot(url);

    sink.open();
    const batch = numbered(answer, cursor);
    if (batch.length > 0) sink.events(batch);
    if (answer.next !== undefined) sink.seen(String(answer.next)); // beyond the last event, where some are not shown
    if (signal.aborted) return { kind: "end" };
    if (answer.closed === true) return { kind: "closed" };
    const wait = Math.min(Math.max(0, request.interval()), MAX_TIMER);
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
  const message = `${url} did not answer {"logs": [...]}: is the stream's URL ".../{job_id}/stream"?`;
  return { kind: "error", error: { kind: "protocol", status: 200, message }, fatal: true };
}

/**
 * The ids live on the wire, not in the entries: `next` is the last event's, and the others count back from it.
 * Without a `next` the answer is the whole log, counted from 1, of which we want what follows the cursor. Where it is
 * shorter than that it is another log, and wanted whole.
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
      signal.removeEventListener("abort", wake);
      resolve();
    };
    const timer = setTimeout(wake, milliseconds);
    signal.addEventListener("abort", wake);
  });
}
