import { defaultFormatEvent, levelOf, textOf } from "./formatEvent.js";
import type { FormatEvent, Formatted, JobOutcome, LogEntry, LogLevel, LogSnapshot, StreamError, StreamEvent, StreamStatus } from "./types.js";

/** An event with its id as it came in: `""` or null where the server did not number it. */
export interface Incoming {
  readonly id: string | null;
  readonly event: StreamEvent;
}

/** What the connection reports beside the events. */
export interface ConnectionState {
  readonly status: StreamStatus;
  readonly active: boolean;
  readonly polled: boolean;
  readonly attempt: number;
  readonly retryAt: number | null;
  readonly resumes: number;
  readonly error: StreamError | null;
  readonly outcome: JobOutcome | null;
}

export const DEFAULT_MAX_ENTRIES = 200_000;

/** A hidden or covered page gets no animation frames; this many milliseconds is the longest a publish waits. */
const PUBLISH_WITHIN = 250;
/** A publish that took long to render is followed by a pause so many times as long, for the page's other work, */
const PAUSE = 2;
/** and of so many milliseconds at most. */
const LONGEST_PAUSE = 50;

const NO_LOGS: readonly LogEntry[] = [];
const NO_COUNTS = { info: 0, success: 0, warning: 0, error: 0 };
const IDLE: ConnectionState = { status: "idle", active: false, polled: false, attempt: 0, retryAt: null, resumes: 0, error: null, outcome: null };
const CONNECTING: ConnectionState = { ...IDLE, status: "connecting", active: true };

/** What a stream shows before anything is known of it. */
export const IDLE_SNAPSHOT: LogSnapshot = { ...IDLE, logs: NO_LOGS, dropped: 0, missed: 0, counts: NO_COUNTS };
export const CONNECTING_SNAPSHOT: LogSnapshot = { ...IDLE_SNAPSHOT, ...CONNECTING };

/**
 * The lines of one stream, without React.
 *
 * Appending is cheap and silent; what was appended is published at most once per animation frame, as a new
 * immutable snapshot. Order is the order of arrival. An id at or below the cursor is dropped, so that nothing is
 * shown twice however often the stream is resumed.
 */
export class LogStore {
  #entries: LogEntry[] = [];
  #counts: Record<LogLevel, number> = { ...NO_COUNTS };
  #dropped = 0;
  #missed = 0;
  #lastMissed = 0;
  #lines = 0;
  #cursor = "";
  #position = 0;
  #lastT = 0;
  #openedAt = 0;
  #state: ConnectionState = IDLE;
  #logsChanged = false;
  #snapshot = IDLE_SNAPSHOT;
  #listeners = new Set<() => void>();
  #cancelPublish: (() => void) | null = null;
  #pauseUntil = 0;

  /** The last id seen, as the server wrote it; `""` before the first. */
  get cursor(): string {
    return this.#cursor;
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** Forget everything and hold the lines of another stream, or of none. Published at once. */
  begin(stream: string | null): void {
    this.#empty();
    this.#cursor = "";
    this.#position = 0;
    this.#openedAt = performance.now();
    this.#state = stream === null ? IDLE : CONNECTING;
    this.flush();
  }

  setState(state: ConnectionState): void {
    this.#state = state;
    this.publishSoon();
  }

  /**
   * Adds the events that are new and gives them back, in order.
   * `format` that throws does not stop the stream: the line falls back to the event's message, the error is reported.
   */
  append(batch: readonly Incoming[], format: FormatEvent = defaultFormatEvent, maxEntries = DEFAULT_MAX_ENTRIES): Incoming[] {
    const accepted: Incoming[] = [];
    for (const item of batch) {
      const id = positionOf(item.id);
      if (id !== null) {
        if (id <= this.#position) continue;
        this.#position = id;
      }
      if (item.id) this.#cursor = item.id;
      accepted.push(item);
      this.#add(item.event, id, format);
    }
    this.#trim(maxEntries);
    if (accepted.length > 0) this.publishSoon();
    return accepted;
  }

  /** All that is shown of the events up to this id is here: the cursor moves on, never back. */
  advance(id: string): void {
    const position = positionOf(id);
    if (position === null || position <= this.#position) return;
    this.#position = position;
    this.#cursor = id;
  }

  /** The server's log has begun anew: ids start over. What was shown stays, with a line that says so. */
  restart(): void {
    this.#cursor = "";
    this.#position = 0;
    this.#push("The log was started anew; the lines above are of an earlier run.", this.#lastT, "warning", null, "restart");
    this.publishSoon();
  }

  /** Forget the lines, keep the place in the stream. Published at once. */
  clear(): void {
    this.#empty();
    this.flush();
  }

  /** Calls `listener` after each publish; gives the function that ends it. */
  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  getSnapshot = (): LogSnapshot => this.#snapshot;

  /** Publish what has come in with the next frame. */
  publishSoon(): void {
    this.#cancelPublish ??= nextPublish(() => this.flush(), this.#pauseUntil);
  }

  /** Publish now what has come in since the last publish. */
  flush(): void {
    this.#cancelPublish?.();
    this.#cancelPublish = null;
    this.#snapshot = {
      ...this.#state,
      // One copy per publish, however many events it holds: readers keep what they were given.
      logs: this.#logsChanged ? this.#entries.slice() : this.#snapshot.logs,
      counts: this.#logsChanged ? { ...this.#counts } : this.#snapshot.counts,
      dropped: this.#dropped,
      missed: this.#missed,
    };
    this.#logsChanged = false;
    const start = performance.now();
    for (const listener of this.#listeners) listener();
    // React renders at the end of the task, in a microtask that it has queued by now.
    queueMicrotask(() => {
      const end = performance.now();
      this.#pauseUntil = end + Math.min(LONGEST_PAUSE, PAUSE * (end - start));
    });
  }

  #add(event: StreamEvent, id: number | null, format: FormatEvent): void {
    const gap = event.event === "gap";
    let formatted: Formatted;
    try {
      formatted = format(event);
    } catch (error) {
      report(error);
      formatted = defaultFormatEvent(event);
    }
    const t = timeOf(event);
    this.#lastT = t ?? this.#lastT;
    // A loss is shown whatever the formatter says.
    if (gap && (formatted === null || formatted === undefined)) formatted = { text: missed(event.missed), level: "warning" };
    if (formatted === null || formatted === undefined) return;

    const line: { text: unknown; level?: LogLevel } = typeof formatted === "object" ? formatted : { text: formatted };
    const text = textOf(line.text);
    const level = levelOf(line.level ?? event.level ?? (gap ? "warning" : "info"));
    const last = this.#entries[this.#entries.length - 1];
    if (gap && id === null && last?.event === "gap" && last.id === null) this.#pop(last); // the same gap, told again after a reconnect
    if (gap) {
      this.#lastMissed = typeof event.missed === "number" && event.missed > 0 ? event.missed : 0;
      this.#missed += this.#lastMissed;
    }
    this.#push(text, t ?? (gap ? this.#lastT : this.#elapsed()), level, id, event.event);
  }

  #elapsed(): number {
    return Math.round(performance.now() - this.#openedAt) / 1000;
  }

  #push(text: string, t: number, level: LogLevel, id: number | null, event: string): void {
    this.#lines += 1;
    this.#counts[level] += 1;
    this.#entries.push({ text, t, level, id, line: this.#lines, event });
    this.#logsChanged = true;
  }

  #pop(last: LogEntry): void {
    this.#entries.pop();
    this.#counts[last.level] -= 1;
    this.#lines -= 1;
    this.#missed -= this.#lastMissed;
  }

  #trim(maxEntries: number): void {
    const excess = this.#entries.length - Math.max(1, maxEntries);
    if (excess <= 0) return;
    for (const entry of this.#entries.splice(0, excess)) this.#counts[entry.level] -= 1;
    this.#dropped += excess;
    this.#logsChanged = true;
  }

  #empty(): void {
    this.#entries = [];
    this.#counts = { ...NO_COUNTS };
    this.#dropped = 0;
    this.#missed = 0;
    this.#lines = 0;
    this.#lastT = 0;
    this.#logsChanged = true;
  }
}

/** The 1-based position that an id names; null for ids that are not numbers (another server's). */
export function positionOf(id: string | null): number | null {
  return id !== null && /^[0-9]{1,15}$/.test(id) ? Number(id) : null;
}

/** Reports what a function of the caller's threw as the browser reports any uncaught error. The stream goes on. */
export function report(error: unknown): void {
  if (typeof reportError === "function") reportError(error);
  else {
    setTimeout(() => {
      throw error;
    });
  }
}

// The frame or the timer, whichever comes first: `document.hidden` alone does not know covered windows.
function nextPublish(publish: () => void, notBefore: number): () => void {
  const timer = setTimeout(publish, PUBLISH_WITHIN);
  if (typeof requestAnimationFrame !== "function") return () => clearTimeout(timer);
  const onFrame = (): void => {
    if (performance.now() >= notBefore) publish();
    else frame = requestAnimationFrame(onFrame);
  };
  let frame = requestAnimationFrame(onFrame);
  return () => {
    clearTimeout(timer);
    cancelAnimationFrame(frame);
  };
}

function timeOf(event: StreamEvent): number | null {
  return typeof event.t === "number" && Number.isFinite(event.t) ? event.t : null;
}

function missed(count: unknown): string {
  if (typeof count !== "number") return "Some lines missed";
  return count === 1 ? "1 line missed" : `${count} lines missed`;
}
