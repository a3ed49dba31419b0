import { defaultFormatEvent, levelOf, textOf } from "./formatEvent.js";
import { Newest } from "./newest.js";
import type { FormatEvent, JobOutcome, LogEntry, LogLevel, LogSnapshot, StreamError, StreamEvent, StreamStatus } from "./types.js";

/** An event with its id as it came in: `""` or null where the server did not number it. */
export interface Incoming {
  readonly id: string | null;
  readonly event: StreamEvent;
}

/** Gives those of a connection's events that are new. */
export type Sift = (batch: readonly Incoming[]) => readonly Incoming[];

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

/** Before every position. */
export const NOWHERE = -1;

const NO_LOGS: readonly LogEntry[] = [];
const NO_COUNTS = { info: 0, success: 0, warning: 0, error: 0 };
const IDLE: ConnectionState = { status: "idle", active: false, polled: false, attempt: 0, retryAt: null, resumes: 0, error: null, outcome: null };
const CONNECTING: ConnectionState = { ...IDLE, status: "connecting", active: true };

/** What a stream shows before anything is known of it. */
export const IDLE_SNAPSHOT: LogSnapshot = { ...IDLE, logs: NO_LOGS, dropped: 0, missed: 0, counts: NO_COUNTS };

/**
 * The lines of one stream, without React.
 *
 * Appending is cheap and silent; what was appended is published at most once per animation frame, as a new
 * immutable snapshot. Order is the order of arrival.
 *
 * The cursor is the id that came last. On one connection nothing comes twice, so all of it is taken, whatever its ids:
 * they may repeat, go back, or begin at 0. Only a connection that was resumed can bring what is here already, see `replay`.
 * Ids are compared as numbers; where the cursor is none (another server's ids), all is taken.
 */
export class LogStore {
  #entries = new Newest<LogEntry>();
  #counts: Record<LogLevel, number> = { ...NO_COUNTS };
  #dropped = 0;
  #missed = 0;
  #lastMissed = 0;
  #lines = 0;
  #sift: Sift | null = null; // of the connection that was resumed
  #lastT = 0;
  #lastTime = ""; // as text: lines of one moment share it
  #openedAt = 0;
  #logsChanged = false;
  #snapshot = IDLE_SNAPSHOT;
  #listeners = new Set<() => void>();
  #cancelPublish: (() => void) | null = null;
  #pauseUntil = 0;

  /** The last id seen, as the server wrote it; `""` before the first. */
  cursor = "";
  state: ConnectionState = IDLE;
  // What `replay` goes by.
  position = NOWHERE;
  first: Incoming | null = null;
  last: Incoming | null = null;

  /** Forget everything and hold the lines of another stream, or of none. Published at once. */
  begin(stream: string | null): void {
    this.#empty();
    this.#startOver();
    this.#openedAt = performance.now();
    this.state = stream === null ? IDLE : CONNECTING;
    this.flush();
  }

  setState(state: ConnectionState): void {
    this.state = state;
    if (!state.active) this.#pauseUntil = 0; // the end is shown without a pause
    this.publishSoon();
  }

  /** A connection is open that was asked for what follows the cursor. */
  resume(replay: (shown: LogStore) => Sift): void {
    this.#sift = replay(this);
  }

  /**
   * Adds the events that are new and gives them back, in order. `told` is called with each once it is here. Once `signal`
   * is aborted, by `told` or by `format`, nothing more is added: the cursor stands before what is left.
   * `format` that throws does not stop the stream: the line falls back to the event's message, the error is reported.
   */
  append(
    batch: readonly Incoming[],
    format: FormatEvent = defaultFormatEvent,
    maxEntries = DEFAULT_MAX_ENTRIES,
    told?: (item: Incoming) => void,
    signal?: AbortSignal,
  ): Incoming[] {
    const accepted: Incoming[] = [];
    for (const item of this.#sift?.(batch) ?? batch) {
      if (signal?.aborted) break;
      const line = lineFor(item.event, format);
      if (signal?.aborted) break;
      const id = positionOf(item.id);
      if (item.id) {
        this.cursor = item.id;
        this.position = id ?? NOWHERE;
        this.first ??= item;
        this.last = item;
      }
      accepted.push(item);
      this.#add(item.event, id, line);
      this.#trim(maxEntries);
      told?.(item);
    }
    if (accepted.length > 0) this.publishSoon();
    return accepted;
  }

  /** All that is shown of the events up to this id is here: the cursor moves on, never back. */
  advance(id: string): void {
    const position = positionOf(id);
    if (position === null || position <= Math.max(0, this.position)) return;
    this.cursor = id;
    this.position = position;
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
    this.#cancelPublish ??= nextPublish(() => this.flush(), () => this.#pauseUntil);
  }

  /** Publish now what has come in since the last publish. */
  flush(): void {
    this.#cancelPublish?.();
    this.#cancelPublish = null;
    // One copy of the lines per publish, however many events it holds: readers keep what they were given.
    const news = this.#logsChanged && { logs: this.#entries.slice(), counts: { ...this.#counts } };
    this.#snapshot = { ...this.#snapshot, ...this.state, ...news, dropped: this.#dropped, missed: this.#missed };
    this.#logsChanged = false;
    const start = performance.now();
    for (const listener of this.#listeners) call(listener);
    // React renders at the end of the task, in a microtask that it has queued by now.
    queueMicrotask(() => {
      const end = performance.now();
      this.#pauseUntil = end + Math.min(LONGEST_PAUSE, PAUSE * (end - start));
    });
  }

  lines(): readonly LogEntry[] {
    return this.#entries.slice();
  }

  /** The server's log has begun anew. What was shown stays, with a line that says so. */
  restart(text: string): void {
    this.#startOver();
    const event = { event: "restart", message: text, level: "warning", t: this.#lastT };
    this.#add(event, null, lineFor(event, defaultFormatEvent));
  }

  /** Ids start over. */
  #startOver(): void {
    this.cursor = "";
    this.position = NOWHERE;
    this.first = this.last = this.#sift = null;
  }

  #add(event: StreamEvent, id: number | null, line: Line | null): void {
    const t = finite(event.t);
    if (t !== null) this.#lastT = t;
    if (line === null) return;
    const gap = event.event === "gap";
    if (gap) {
      const last = this.#entries.at(this.#entries.length - 1);
      if (id === null && last?.event === "gap" && last.id === null) {
        // The same gap, told again after a reconnect.
        this.#entries.pop();
        this.#counts[last.level] -= 1;
        this.#lines -= 1;
        this.#missed -= this.#lastMissed;
      }
      this.#lastMissed = typeof event.missed === "number" && event.missed > 0 ? event.missed : 0;
      this.#missed += this.#lastMissed;
    }
    const { text, level } = line;
    const seconds = line.t ?? t ?? (gap ? this.#lastT : Math.round(performance.now() - this.#openedAt) / 1000);
    this.#lines += 1;
    this.#counts[level] += 1;
    const time = `${seconds.toFixed(1)}s`;
    if (time !== this.#lastTime) this.#lastTime = time;
    const entry: LogEntry = { text, t: this.#lastTime, seconds, level, id, line: this.#lines, event: event.event };
    // A line that says all of its event does not keep it: that would be a third of the log's memory.
    this.#entries.push(saysAll(entry, event) ? entry : { ...entry, payload: event });
    this.#logsChanged = true;
  }

  #trim(maxEntries: number): void {
    for (let excess = this.#entries.length - Math.max(1, maxEntries); excess > 0; excess -= 1) {
      this.#counts[this.#entries.shift().level] -= 1;
      this.#dropped += 1;
      this.#logsChanged = true;
    }
  }

  #empty(): void {
    this.#entries = new Newest();
    this.#counts = { ...NO_COUNTS };
    this.#dropped = 0;
    this.#missed = 0;
    this.#lines = 0;
    this.#lastT = 0;
    this.#logsChanged = true;
  }
}

/** The position that an id names; null for ids that are not numbers (another server's). */
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

/** Calls a function of the caller's. One that throws does not stop the stream: the error is reported. */
export function call<Given extends unknown[]>(called: ((...given: Given) => void) | undefined, ...given: Given): void {
  try {
    called?.(...given);
  } catch (error) {
    report(error);
  }
}

// The frame or the timer, whichever comes first: `document.hidden` alone does not know covered windows.
function nextPublish(publish: () => void, notBefore: () => number): () => void {
  const timer = setTimeout(publish, PUBLISH_WITHIN);
  if (typeof requestAnimationFrame !== "function") return () => clearTimeout(timer);
  const onFrame = (): void => {
    if (performance.now() >= notBefore()) publish();
    else frame = requestAnimationFrame(onFrame);
  };
  let frame = requestAnimationFrame(onFrame);
  return () => {
    clearTimeout(timer);
    cancelAnimationFrame(frame);
  };
}

interface Line {
  readonly text: string;
  readonly level: LogLevel;
  readonly t: number | null;
}

/** What is to be shown of an event; null: no line. */
function lineFor(event: StreamEvent, format: FormatEvent): Line | null {
  const gap = event.event === "gap";
  try {
    // A loss is shown whatever the formatter says.
    const formatted = format(event) ?? (gap ? { text: missed(event.missed), level: "warning" } : null);
    if (formatted === null) return null;
    const { text, level, t } = typeof formatted === "object" ? formatted : { text: formatted };
    return { text: textOf(text), level: levelOf(level ?? event.level ?? (gap ? "warning" : "info")), t: finite(t) };
  } catch (error) {
    report(error);
    return format === defaultFormatEvent ? null : lineFor(event, defaultFormatEvent);
  }
}

/** Whether the event has nothing that its line has not. */
export function saysAll({ text, seconds, level, event }: LogEntry, of: StreamEvent): boolean {
  return of.message === text && of.t === seconds && of.level === level && of.event === event && Object.keys(of).length === 4;
}

function finite(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

function missed(count: unknown): string {
  if (typeof count !== "number") return "Some lines missed";
  return count === 1 ? "1 line missed" : `${count} lines missed`;
}
