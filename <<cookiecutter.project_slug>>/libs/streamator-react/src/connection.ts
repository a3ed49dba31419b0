import { call, positionOf, type ConnectionState, type Incoming, type LogStore } from "./store.js";
import { reason } from "./reason.js";
import { canStream, fetchSse } from "./transport/fetchSse.js";
import { haveRecovery, loaded } from "./transport/registry.js";
import { failure, isMultiplexed, isProducerStatus, MAX_TIMER, refused, type AttemptEnd, type Sink, type StreamRequest, type Use } from "./transport/transport.js";
import type { JobOutcome, LogStreamOptions, StreamErrorKind, StreamEvent, StreamMode } from "./types.js";

/** What a connection is made for. To change one of these is to make another connection. */
export interface Target {
  readonly url: string;
  readonly mode: StreamMode;
  readonly method: string;
  readonly credentials: RequestCredentials;
}

/** The longest wait between two attempts, unless the server asks for a longer one. */
const MAX_DELAY = 30_000;
/** The wait that the backoff starts from where the server sent no `retry:`. */
const BASE_DELAY = 1_000;
/** A connection that held this long was a good one, even if no event came. */
const GOOD_AFTER = 10_000;
const DEFAULT_TIMEOUT = 45_000;
/** The errors that another attempt may well mend. */
const TRIED_AGAIN: readonly StreamErrorKind[] = ["busy", "network", "server", "timeout"];

/**
 * Keeps one stream connected and puts its events into a store: the state machine of `StreamStatus`.
 *
 * It reconnects with full-jitter backoff from the store's cursor, at once when the browser comes back online, and
 * stops on `done`, on 204, on a 4xx other than 408 and 429, and when a stream ends whose job is lost.
 * Events reach the store in order; none is lost or doubled over a reconnect to a server that honours the cursor.
 * An event is in the store before `onEvent` is told of it, and the next one is not while it is told: whatever the
 * function does, the cursor stands behind the last event that it was told of.
 */
export class Connection {
  readonly #store: LogStore;
  readonly #request: StreamRequest;

  #stopAttempt: (() => void) | null = null; // or the wait for the next
  #serverRetry = BASE_DELAY;
  #placed = true;

  /** `options` is read whenever an option is needed, so that all but the target may change at any time. */
  constructor(target: Target, store: LogStore, options: () => LogStreamOptions) {
    this.#store = store;
    this.#request = { ...target, options, cursor: () => store.cursor };
  }

  /** Whether it holds a connection that it has found no place for. */
  get unplaced(): boolean {
    return !this.#placed && this.#stopAttempt !== null;
  }

  /** Connect one tick from now: React's StrictMode mounts twice within the tick, and one of the two is disposed. */
  start(): void {
    this.#set({ status: "connecting", active: true, attempt: 0, error: null });
    this.#attempt();
  }

  /** Disconnect for good, without a word to the store. */
  dispose(): void {
    this.#stopAttempt?.();
    this.#stopAttempt = null;
  }

  /** Disconnect and say so. The lines stay, and `reconnect` goes on from the last. */
  close(): void {
    this.dispose();
    if (this.#store.state.active) this.#set({ status: "idle", active: false, attempt: 0, error: null });
  }

  /** Connect now, whatever the state. */
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
    this.#set({}); // no longer waiting
    this.#attempt();
  };

  /** Connects: with a place for the stream where connections are counted, and without one by polling. */
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
      // A first connection can go without `recovery`, but has it loaded: after a break the server may not have the file any more.
      const first = request.mode === "sse" && request.cursor() === "" && !request.crowded;
      const loading = haveRecovery().catch((error: unknown) => {
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

    const end = (how: AttemptEnd): void => {
      if (signal.aborted) return;
      stop();
      if (loaded.recovery?.another(how, request, mode, opened)) this.#attempt();
      else this.#ended(how, good || performance.now() - startedAt >= GOOD_AFTER);
    };

    const polled = mode === "poll";
    if (polled !== this.#store.state.polled) this.#set({ polled });
    const timeout = request.options().timeout ?? DEFAULT_TIMEOUT;
    const watchdog = makeWatchdog(timeout, () => end(failure("timeout", `nothing came from ${url} for ${timeout / 1000} s`)));
    signal.addEventListener("abort", watchdog.stop);

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
        this.#receive(batch, signal, stop);
      },
      seen: (id) => {
        if (!signal.aborted) this.#store.advance(id);
      },
    };
    const read = async (): Promise<AttemptEnd> => {
      const transport = mode === "sse" && canStream() ? fetchSse : await (await haveRecovery()).transportOf(mode);
      return signal.aborted ? { kind: "end" } : transport(request, sink, signal);
    };
    read().then(end, async (error: unknown) => {
      // What a signer was refused with stands for what the stream would be.
      const status = (error as { status?: unknown } | null)?.status;
      if (typeof status === "number" && status >= 400 && status < 600) end(await refused(new Response(null, { status }), url));
      else end(failure("network", `${url} ${opened ? "broke off" : "cannot be reached"}: ${reason(error)}`));
    });
  }

  /** Puts events into the store and follows what they say of the job, until `signal` is aborted: by a callback, or since the job is over. */
  #receive(batch: readonly Incoming[], signal: AbortSignal, stop: () => void): void {
    const { formatEvent, maxEntries, onEvent } = this.#request.options();
    const follow = (event: StreamEvent): void => {
      if (event.event === "done") {
        stop();
        this.#set({ status: "ended", active: false, attempt: 0, error: null, outcome: outcomeOf(event.status) });
      } else if (isProducerStatus(event)) {
        if (event.status === "lost") this.#set({ status: "lost" });
        if (event.status === "running" && this.#store.state.status === "lost") this.#set({ status: "open" });
      }
    };
    const told = ({ id, event }: Incoming): void => {
      if (onEvent) call(onEvent, event, positionOf(id));
      if (!signal.aborted) follow(event);
    };
    this.#store.append(batch, formatEvent, maxEntries, told, signal);
    const last = batch[batch.length - 1];
    if (!signal.aborted && last?.event.event === "done") follow(last.event); // told before the reconnect: the job is over all the same
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
      const message = `${error?.message ?? `${url} broke off`}; a ${method} is not repeated by itself: call reconnect() to ask again`;
      const kind = error && this.#store.state.status === "connecting" ? error.kind : "interrupted";
      this.#set({ status: "failed", active: false, error: { ...error, kind, message } });
      return;
    }
    const attempt = (good ? 0 : this.#store.state.attempt) + 1;
    // Full jitter: viewers that lost the same server do not come back in the same instant.
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

function outcomeOf(status: unknown): JobOutcome | null {
  return status === "completed" || status === "failed" || status === "cancelled" ? status : null;
}

/** Calls `bark` when nothing was `alive` for `limit` milliseconds (and the grace that was asked for). 0: never. */
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
