import { attemptOf, isProducerStatus, outcomeOf, positionOf, type Incoming } from "../transport/event.js";
import { canStream, fetchSse } from "../transport/fetchSse.js";
import { have, loaded, refused, transportOf } from "../transport/registry.js";
import { failure, isMultiplexed, MAX_TIMER, reason, type AttemptEnd, type Sink, type StreamRequest, type Target, type Use } from "../transport/transport.js";
import type { LogStreamOptions, StreamErrorKind, StreamEvent, StreamMode } from "../types.js";
import { BASE_EVENT_LABELS } from "./formatEvent.js";
import { call, type ConnectionState, type LogStore } from "./store.js";

// Milliseconds.
/** The longest backoff. `Retry-After` may ask for a longer wait. */
const MAX_DELAY = 30_000;
/** The backoff starts here unless the server sends `retry:`. */
const BASE_DELAY = 1_000;
/** A connection that lasts this long resets the backoff, even if no event came. */
const GOOD_AFTER = 10_000;
const DEFAULT_TIMEOUT = 45_000;
/** A server that keeps the stream open for so long after `done` has nothing more to send. */
const CLOSES_WITHIN = 1_000;
/** After these errors the connection tries again. */
const TRIED_AGAIN: readonly StreamErrorKind[] = ["busy", "network", "server", "timeout"];

/** The target of a connection with these options. */
export function targetOf(url: string, { mode = "sse", method = "GET", credentials = "same-origin" }: LogStreamOptions): Target {
  return { url, mode, method: method.toUpperCase(), credentials };
}

/**
 * Keeps one stream connected and appends its events to a store. It is the state machine of `StreamStatus`.
 *
 * - It reconnects from the store's cursor, with full-jitter backoff, and at once when the browser comes back online.
 * - It stops after the last `done`, on 204, on a 4xx other than 408 and 429, and when the stream of a lost job ends. A `done`
 *   that another attempt follows is not the last: the log was opened again.
 * - Events reach the store in order. A reconnect loses and repeats none if the server honours the cursor.
 * - `onEvent` gets an event after the store has it and before the store gets the next one. So the cursor always stands
 *   behind the last event that `onEvent` got, whatever `onEvent` does.
 */
export class Connection {
  readonly #store: LogStore;
  readonly #request: StreamRequest;

  #stopAttempt: (() => void) | null = null; // stops the attempt, or the wait for the next one
  #serverRetry = BASE_DELAY;
  #placed = true;
  #done: StreamEvent | null = null; // `done`, until another attempt follows it

  /** Calls `options` each time it needs one: all but the target may change at any time. */
  constructor(target: Target, store: LogStore, options: () => LogStreamOptions) {
    this.#store = store;
    this.#request = { ...target, options, cursor: () => store.cursor, names: Object.keys(BASE_EVENT_LABELS) };
  }

  /** Whether it is connected without a place (see `holdPlace`). */
  get unplaced(): boolean {
    return !this.#placed && this.#stopAttempt !== null;
  }

  /** Connects one tick from now: React's StrictMode mounts twice within a tick and disposes of the first. */
  start(): void {
    this.#set({ status: "connecting", active: true, attempt: 0, error: null });
    this.#attempt();
  }

  /** Disconnects and leaves the store's state as it is. */
  dispose(): void {
    this.#stopAttempt?.();
    this.#stopAttempt = null;
  }

  /** Disconnects and sets the state to `idle`. The lines stay; `reconnect` goes on after the last one. */
  close(): void {
    this.dispose();
    if (this.#store.state.active) this.#set({ status: "idle", active: false, attempt: 0, error: null });
  }

  /** Connects now, in any state. */
  reconnect(): void {
    this.dispose();
    this.#request.crowded = this.#request.refused = false;
    this.start();
  }

  #set(change: Partial<ConnectionState>): void {
    this.#store.setState({ ...this.#store.state, retryAt: null, ...change });
  }

  #retryNow = (): void => {
    this.dispose();
    this.#set({}); // clears `retryAt`
    this.#attempt();
  };

  /** Connects. Over HTTP/1.1 it takes a place for the stream first; without one it polls. */
  #attempt(): void {
    const request = this.#request;
    const attempt = new AbortController();
    let run = new AbortController();
    const stop = (): void => {
      attempt.abort();
      run.abort();
      if (this.#stopAttempt === stop) this.#stopAttempt = null;
    };
    this.#stopAttempt = stop;

    const proceed: Use = (granted, mode) => {
      run.abort();
      run = new AbortController();
      this.#placed = granted !== false;
      if (granted !== null) this.#run(mode, run.signal, stop);
    };
    const end = (how: AttemptEnd | null): void => {
      if (how === null || attempt.signal.aborted) return;
      stop();
      this.#ended(how, false);
    };
    const begin = async (): Promise<void> => {
      if (attempt.signal.aborted) return;
      // A first connection over HTTP/2 starts without `recovery` and loads it meanwhile. Later may be too late: a server
      // that was deployed anew does not have the file any more.
      const first = request.mode === "sse" && request.cursor() === "" && !request.crowded;
      const loading = have("recovery").catch((error: unknown) => {
        if (!first) throw error;
      });
      const recovery = first && isMultiplexed(request.url) ? null : await loading;
      if (attempt.signal.aborted) return;
      if (recovery) end(recovery.admit(request, attempt.signal, proceed));
      else proceed(true, request.mode);
    };
    Promise.resolve().then(begin).catch((error: unknown) => end(failure("network", reason(error))));
  }

  #run(mode: StreamMode, signal: AbortSignal, stop: () => void): void {
    const request = this.#request;
    const { url } = request;
    const startedAt = performance.now();
    let opened = false;
    let good = false;
    let closing: ReturnType<typeof setTimeout> | undefined;
    this.#done = null;

    const end = (how: AttemptEnd): void => {
      if (signal.aborted) return;
      stop();
      if (this.#done) this.#set({ status: "ended", active: false, attempt: 0, error: null, outcome: outcomeOf(this.#done) });
      else if (loaded.recovery?.another(how, request, mode, opened)) this.#attempt();
      else this.#ended(how, good || performance.now() - startedAt >= GOOD_AFTER);
    };

    const polled = mode === "poll";
    if (polled !== this.#store.state.polled) this.#set({ polled });
    const timeout = request.options().timeout ?? DEFAULT_TIMEOUT;
    const watchdog = makeWatchdog(timeout, () => end(failure("timeout", `nothing came from ${url} for ${timeout / 1000} s`)));
    signal.addEventListener("abort", () => {
      watchdog.stop();
      clearTimeout(closing);
    });

    const sink: Sink = {
      open: (response) => {
        if (signal.aborted) return;
        opened = true;
        request.refused = false;
        watchdog.alive();
        if (loaded.recovery) this.#store.resume(loaded.recovery.replay);
        if (response) call(request.options().onOpen, response);
        const { status, resumes } = this.#store.state;
        if (signal.aborted || (status !== "connecting" && status !== "reconnecting")) return;
        this.#set({ status: "open", error: null, resumes: resumes + (status === "reconnecting" ? 1 : 0) });
      },
      alive: watchdog.alive,
      retry: (milliseconds) => {
        this.#serverRetry = Math.min(Math.max(milliseconds, 100), MAX_DELAY);
      },
      events: (batch) => {
        if (signal.aborted) return;
        if (!good) {
          good = true;
          this.#set({ attempt: 0 });
        }
        this.#receive(batch, signal);
        clearTimeout(closing);
        if (this.#done && !polled && !signal.aborted) closing = setTimeout(end, CLOSES_WITHIN, { kind: "closed" });
      },
      seen: (id) => {
        if (!signal.aborted) this.#store.advance(id);
      },
    };
    const read = async (): Promise<AttemptEnd> => {
      const transport = mode === "sse" && canStream() ? fetchSse : await transportOf(mode);
      return signal.aborted ? { kind: "end" } : transport(request, sink, signal);
    };
    read().then(end, async (error: unknown) => {
      // `signUrl` was refused, with an HTTP status: handle it like the same answer to the stream.
      const status = (error as { status?: unknown } | null)?.status;
      if (typeof status === "number" && status >= 400 && status < 600) end(await refused(new Response(null, { status }), url));
      else end(failure("network", `${url} ${opened ? "broke off" : "cannot be reached"}: ${reason(error)}`));
    });
  }

  /** Appends events to the store and updates the state by them, until `signal` aborts: a callback closed the stream. */
  #receive(batch: readonly Incoming[], signal: AbortSignal): void {
    const { formatEvent, maxEntries, onEvent } = this.#request.options();
    const told = ({ id, event }: Incoming): void => {
      if (onEvent) call(onEvent, event, positionOf(id));
      if (signal.aborted) return;
      const begins = attemptOf(event) !== null;
      const status = isProducerStatus(event) ? event.status : null;
      if (begins) this.#set({ outcome: null }); // known from before `reconnect()`
      if (status === "lost") this.#set({ status });
      if ((begins || status === "running") && this.#store.state.status === "lost") this.#set({ status: "open" });
    };
    this.#store.append(batch, formatEvent, maxEntries, told, signal);
    if (signal.aborted) return;
    // Of all events, because a replayed `done` is not new, but it ends the stream. A gap may stand for an attempt.
    for (const { event } of batch) {
      if (event.event === "done") this.#done = event;
      else if (event.event === "gap" || attemptOf(event)) this.#done = null;
    }
  }

  #ended(how: AttemptEnd, good: boolean): void {
    if (how.kind === "closed") {
      this.#set({ status: "ended", active: false, attempt: 0, error: null });
      return;
    }
    if (how.kind === "end" && this.#store.state.status === "lost") {
      this.#set({ active: false });
      return;
    }
    const { error = null, retryAfter = 0 } = how;
    if (error && !TRIED_AGAIN.includes(error.kind)) {
      this.#set({ status: "failed", active: false, error });
      return;
    }
    const { method, url, options } = this.#request;
    if (!(options().retry ?? method === "GET")) {
      const message = `${error?.message ?? `${url} broke off`}; a ${method} is not repeated by itself: call reconnect()`;
      const kind = error && this.#store.state.status === "connecting" ? error.kind : "interrupted";
      this.#set({ status: "failed", active: false, error: { ...error, kind, message } });
      return;
    }
    const attempt = (good ? 0 : this.#store.state.attempt) + 1;
    // Full jitter: viewers that lost the same server do not all reconnect at once.
    const delay = Math.random() * Math.min(MAX_DELAY, this.#serverRetry * 2 ** (attempt - 1));
    const wait = Math.min(Math.max(delay, retryAfter), MAX_TIMER);
    this.#set({ status: "reconnecting", active: true, attempt, error, retryAt: Date.now() + wait });
    const timer = setTimeout(this.#retryNow, wait);
    globalThis.addEventListener?.("online", this.#retryNow);
    this.#stopAttempt = () => {
      clearTimeout(timer);
      globalThis.removeEventListener?.("online", this.#retryNow);
    };
  }
}

/** Calls `bark` after `limit` milliseconds without a call of `alive`; `alive(grace)` adds to the next limit. A limit of 0 never barks. */
function makeWatchdog(limit: number, bark: () => void): { alive: (grace?: number) => void; stop: () => void } {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const stop = (): void => clearTimeout(timer);
  const alive = (grace = 0): void => {
    stop();
    if (limit && limit + grace <= MAX_TIMER) timer = setTimeout(bark, limit + grace);
  };
  alive();
  return { alive, stop };
}
