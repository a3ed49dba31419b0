import { attemptOf, NOWHERE, positionOf, saysAll, textOf, type Incoming } from "../transport/event.js";
import type { Sift } from "../transport/replay.js";
import type { FormatEvent, LogEntry, LogLevel, LogSnapshot, StreamEvent } from "../types.js";
import { defaultFormatEvent, levelOf } from "./formatEvent.js";
import { Newest } from "./newest.js";

/** What the connection reports beside the events. */
export type ConnectionState = Pick<LogSnapshot, "status" | "active" | "polled" | "attempt" | "retryAt" | "resumes" | "error" | "outcome">;

export const DEFAULT_MAX_ENTRIES = 200_000;

/** The longest wait for a publish, in milliseconds: a hidden or covered page gets no animation frames. */
const PUBLISH_WITHIN = 250;
/** After a publish the store pauses this many times as long as the render took, so that the page can do other work. */
const PAUSE = 2;
/** The longest pause in milliseconds. */
const LONGEST_PAUSE = 50;

const NO_COUNTS = { info: 0, success: 0, warning: 0, error: 0 };
const IDLE: ConnectionState = { status: "idle", active: false, polled: false, attempt: 0, retryAt: null, resumes: 0, error: null, outcome: null };
const CONNECTING: ConnectionState = { ...IDLE, status: "connecting", active: true };

/** The first snapshot of a store without a stream, and of one with a stream. */
export const IDLE_SNAPSHOT: LogSnapshot = { ...IDLE, logs: [], dropped: 0, missed: 0, counts: NO_COUNTS };
export const CONNECTING_SNAPSHOT: LogSnapshot = { ...IDLE_SNAPSHOT, ...CONNECTING };

/**
 * Holds the lines of one stream, in the order of arrival, without React.
 *
 * Appending is cheap. The store publishes a new immutable snapshot at most once per animation frame.
 *
 * The cursor is the last id that came. One connection sends nothing twice, so the store takes all its events, whatever
 * their ids: they may repeat, go back or begin at 0. Only a resumed connection can repeat events; `replay` finds those.
 * It compares ids as numbers. If the cursor is no number (another server's ids), the store takes everything.
 */
export class LogStore {
  #entries = new Newest<LogEntry>();
  #counts: Record<LogLevel, number> = { ...NO_COUNTS };
  #dropped = 0;
  #missed = 0;
  #lastMissed = 0;
  #lines = 0;
  #attempt = 1; // of the job
  #sift: Sift | null = null; // for a resumed connection
  #lastT = 0;
  #lastTime = ""; // the last line's time as text: lines of a moment share the string, which saves 24 bytes each
  #openedAt = performance.now();
  #logsChanged = false;
  #snapshot: LogSnapshot;
  readonly #onState: ((state: ConnectionState) => void) | undefined;
  #listeners = new Set<() => void>();
  #cancelPublish: (() => void) | null = null;
  #pauseUntil = 0;

  /** The last id, as the server wrote it; `""` before the first. */
  cursor = "";
  state: ConnectionState;
  // For `replay`:
  position = NOWHERE;
  first: Incoming | null = null;
  last: Incoming | null = null;
  ends: Incoming[] = [];

  /** `following`: there is a stream to connect to. `onState` gets each state of the connection at once. */
  constructor(following = true, onState?: (state: ConnectionState) => void) {
    this.state = following ? CONNECTING : IDLE;
    this.#snapshot = following ? CONNECTING_SNAPSHOT : IDLE_SNAPSHOT;
    this.#onState = onState;
  }

  setState(state: ConnectionState): void {
    this.state = state;
    if (!state.active) this.#pauseUntil = 0; // show the end without a pause
    this.publishSoon();
    this.#onState?.(state);
  }

  /** Call this when a connection opens that asked for the events after the cursor. */
  resume(replay: (shown: LogStore) => Sift): void {
    this.#sift = replay(this);
  }

  /**
   * Adds the events that are new, in order, and calls `told` with each once it is in. Once `signal` is aborted, by `told`
   * or by `format`, nothing more is added: the cursor stands before the rest.
   * A `format` that throws does not stop the stream: the line falls back to the event's message, the error is reported.
   */
  append(
    batch: readonly Incoming[],
    format: FormatEvent = defaultFormatEvent,
    maxEntries = DEFAULT_MAX_ENTRIES,
    told?: (item: Incoming) => void,
    signal?: AbortSignal,
  ): void {
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
        if (item.event.event === "done") this.ends.push(item);
      }
      this.#add(item.event, id, line);
      this.#trim(maxEntries);
      this.publishSoon();
      told?.(item);
    }
  }

  /** Moves the cursor on to an id whose events this viewer does not get. It never moves back. */
  advance(id: string): void {
    const position = positionOf(id);
    if (position === null || position <= Math.max(0, this.position)) return;
    this.cursor = id;
    this.position = position;
  }

  /** Forgets the lines and keeps the cursor. Publishes at once. */
  clear(): void {
    this.#entries = new Newest();
    this.#counts = { ...NO_COUNTS };
    this.#dropped = 0;
    this.#missed = 0;
    this.#lines = 0;
    this.#lastT = 0;
    this.#logsChanged = true;
    this.flush();
  }

  /** Calls `listener` after each publish. Returns the function that unsubscribes. */
  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  getSnapshot = (): LogSnapshot => this.#snapshot;

  /** Publishes with the next frame. */
  publishSoon(): void {
    this.#cancelPublish ??= nextPublish(() => this.flush(), () => this.#pauseUntil);
  }

  /** Publishes now. */
  flush(): void {
    this.#cancelPublish?.();
    this.#cancelPublish = null;
    // One copy of the lines per publish, however many events it holds: a snapshot never changes.
    const news = this.#logsChanged && { logs: this.#entries.slice(), counts: { ...this.#counts } };
    this.#snapshot = { ...this.#snapshot, ...this.state, ...news, dropped: this.#dropped, missed: this.#missed };
    this.#logsChanged = false;
    const start = performance.now();
    for (const listener of this.#listeners) call(listener);
    // React renders in a microtask, which it has queued by now.
    queueMicrotask(() => {
      const end = performance.now();
      this.#pauseUntil = end + Math.min(LONGEST_PAUSE, PAUSE * (end - start));
    });
  }

  lines(): readonly LogEntry[] {
    return this.#entries.slice();
  }

  /** The server's log started over, and so do the ids. The lines stay, and `text` follows them as a line. */
  restart(text: string): void {
    this.cursor = "";
    this.position = NOWHERE;
    this.first = this.last = this.#sift = null;
    this.ends = [];
    this.#attempt = 1;
    const event = { event: "restart", message: text, level: "warning", t: this.#lastT };
    this.#add(event, null, lineFor(event, defaultFormatEvent));
  }

  #add(event: StreamEvent, id: number | null, line: Line | null): void {
    const t = finite(event.t);
    if (t !== null) this.#lastT = t;
    this.#attempt = attemptOf(event) ?? this.#attempt;
    if (line === null) return;
    const gap = event.event === "gap";
    if (gap) {
      const last = this.#entries.at(this.#entries.length - 1);
      if (id === null && last?.event === "gap" && last.id === null) {
        // The server repeats a gap after a reconnect: keep the new one.
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
    const ofAttempt = this.#attempt > 1 ? { ...entry, attempt: this.#attempt } : entry;
    // A line that holds all of its event does not keep the event: that would take a third more memory.
    this.#entries.push(saysAll(entry, event) ? ofAttempt : { ...ofAttempt, payload: event });
    this.#logsChanged = true;
  }

  #trim(maxEntries: number): void {
    for (let excess = this.#entries.length - Math.max(1, maxEntries); excess > 0; excess -= 1) {
      this.#counts[this.#entries.shift().level] -= 1;
      this.#dropped += 1;
      this.#logsChanged = true;
    }
  }
}

/** Reports an error of the caller's function as the browser reports an uncaught one. The stream goes on. */
export function report(error: unknown): void {
  if (typeof reportError === "function") reportError(error);
  else {
    setTimeout(() => {
      throw error;
    });
  }
}

/** Calls the caller's function. If it throws, the error is reported and the stream goes on. */
export function call<Given extends unknown[]>(called: ((...given: Given) => void) | undefined, ...given: Given): void {
  try {
    called?.(...given);
  } catch (error) {
    report(error);
  }
}

// The frame or the timer, whichever comes first: `document.hidden` is false for a covered window.
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

/** Formats an event; null: no line. */
function lineFor(event: StreamEvent, format: FormatEvent): Line | null {
  const gap = event.event === "gap";
  try {
    // Always shown: a gap tells of lost lines, an attempt of a job that began anew.
    const formatted = format(event) ?? (gap ? { text: missed(event.missed), level: "warning" } : attemptText(event));
    if (formatted === null) return null;
    const { text, level, t } = typeof formatted === "object" ? formatted : { text: formatted };
    return { text: textOf(text), level: levelOf(level ?? event.level ?? (gap ? "warning" : "info")), t: finite(t) };
  } catch (error) {
    report(error);
    return format === defaultFormatEvent ? null : lineFor(event, defaultFormatEvent);
  }
}

function finite(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

/** `Attempt 2 - worker lost`; null if no attempt begins. */
function attemptText(event: StreamEvent): string | null {
  const attempt = attemptOf(event);
  return attempt === null ? null : `Attempt ${attempt}${event.reason ? ` - ${textOf(event.reason)}` : ""}`;
}

function missed(count: unknown): string {
  if (typeof count !== "number") return "Some lines missed";
  return count === 1 ? "1 line missed" : `${count} lines missed`;
}
