import { call, report, positionOf, type ConnectionState, type Incoming, type LogStore } from "./store.js";
import { takePlace, transportOf } from "./transport/registry.js";
import {
  checkUrl, failure, isProducerStatus, MAX_TIMER, pageUrl, pollUrl, reason, resolveHeaders, type AttemptEnd, type Sink, type StreamRequest,
} from "./transport/transport.js";
import type { JobOutcome, LogStreamOptions, StreamError, StreamEvent, StreamMode } from "./types.js";

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
export const DEFAULT_INTERVAL = 3_000;
const DEFAULT_TIMEOUT = 45_000;

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
  readonly #target: Target;
  readonly #store: LogStore;
  readonly #options: () => LogStreamOptions;
  readonly #request: StreamRequest;

  #stopAttempt: (() => void) | null = null; // or the wait for the next
  #serverRetry = BASE_DELAY;
  // Streams beyond the browser's connection limit poll; where the server has no such route they stream all the same.
  #canPoll = true;
  #placed = true;
  // The server has no room for another stream (429): polled from then on.
  #crowded = false;
  // The credentials of the last attempt were refused (401): the next has others, or is the last.
  #refused = false;
  // Another origin may not allow the header with the cursor, which looks like no answer at all: then each way is tried in turn.
  #cursorInUrl = false;

  /** `options` is read whenever an option is needed, so that all but the target may change at any time. */
  constructor(target: Target, store: LogStore, options: () => LogStreamOptions) {
    this.#target = target;
    this.#store = store;
    this.#options = options;
    this.#request = {
      ...target,
      cursor: () => store.cursor,
      cursorInUrl: () => this.#cursorInUrl,
      headers: (accept) => resolveHeaders(options().headers, accept, this.#refused),
      signed: async (url) => options().signUrl?.(url, this.#refused) ?? url,
      body: () => options().body,
      interval: () => options().interval ?? DEFAULT_INTERVAL,
    };
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
    this.#crowded = this.#refused = false;
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

  /** Connects: to the stream where there is a place for it, else to its poll route until there is one. */
  #attempt(): void {
    const attempt = new AbortController();
    let run = new AbortController();
    const stop = (): void => {
      attempt.abort();
      run.abort();
      if (this.#stopAttempt === stop) this.#stopAttempt = null;
    };
    this.#stopAttempt = stop;

    const { url, mode } = this.#target;
    const polls = this.#polls();
    const use = (granted: boolean | null): void => {
      run.abort();
      run = new AbortController();
      this.#placed = granted !== false;
      if (granted !== null) this.#run(!granted && polls, run.signal, stop);
    };
    queueMicrotask(() => {
      if (attempt.signal.aborted) return;
      const unaskable = checkUrl(url, mode === "ws");
      if (unaskable) {
        stop();
        this.#ended(unaskable, false);
      }
      // A stream that cannot poll, such as a POST, may neither be lost nor wait: it goes on without a place. That is what
      // the two connections are for that are left.
      else if (this.#crowded && polls) use(false);
      else if (mode === "ws" || mode === "poll") use(true);
      else void takePlace(url, polls, attempt.signal, use);
    });
  }

  #run(overflow: boolean, signal: AbortSignal, stop: () => void): void {
    const startedAt = performance.now();
    let opened = false;
    let good = false;

    const end = (how: AttemptEnd): void => {
      if (signal.aborted) return;
      stop();
      if (overflow && how.kind === "error" && isNoRoute(how.error)) {
        this.#canPoll = false;
        this.#attempt();
        return;
      }
      if (!opened && how.kind === "error" && how.error.kind === "network" && this.#crossesOrigins()) this.#cursorInUrl = !this.#cursorInUrl;
      this.#ended(how, good || performance.now() - startedAt >= GOOD_AFTER);
    };

    const mode = overflow ? "poll" : this.#target.mode;
    const polled = mode === "poll";
    if (polled !== this.#store.state.polled) this.#set({ polled });
    const timeout = this.#options().timeout ?? DEFAULT_TIMEOUT;
    const watchdog = makeWatchdog(timeout, () => end(failure("timeout", `nothing came from ${this.#target.url} for ${timeout / 1000} s`)));
    signal.addEventListener("abort", watchdog.stop);

    const sink: Sink = {
      open: (response) => {
        if (signal.aborted) return;
        opened = true;
        this.#refused = false;
        watchdog.alive();
        this.#store.resume();
        if (response) call(this.#options().onOpen, response);
        if (signal.aborted) return;
        const { status } = this.#store.state;
        if (status !== "connecting" && status !== "reconnecting") return;
        const resumed = status === "reconnecting" ? 1 : 0;
        this.#set({ status: "open", active: true, error: null, resumes: this.#store.state.resumes + resumed });
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
    transportOf(mode)(this.#request, sink, signal).then(end, (error: unknown) => {
      report(error); // no transport rejects: this browser lacks what it needs
      end(failure("network", reason(error)));
    });
  }

  /** Puts events into the store and follows what they say of the job, until `signal` is aborted: by a callback, or since the job is over. */
  #receive(batch: readonly Incoming[], signal: AbortSignal, stop: () => void): void {
    const { formatEvent, maxEntries, onEvent } = this.#options();
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
    const error = how.kind === "error" ? how.error : null;
    const { headers, signUrl } = this.#options();
    if (error?.status === 401 && !this.#refused && (typeof headers === "function" || signUrl)) {
      this.#refused = true;
      this.#attempt();
      return;
    }
    if (error?.kind === "busy" && !this.#crowded && this.#polls()) {
      this.#crowded = true;
      this.#attempt();
      return;
    }
    if (how.kind === "error" && how.fatal) {
      this.#set({ status: "failed", active: false, error });
      return;
    }
    if (!(this.#options().retry ?? this.#target.method === "GET")) {
      const began = this.#store.state.status !== "connecting";
      const what = began ? "broke off" : error?.status ? `was answered ${error.status}` : "got no answer";
      const message = `${this.#target.method} ${this.#target.url} ${what}; it is not repeated by itself. Call reconnect() to ask again.`;
      this.#set({ status: "failed", active: false, error: began || !error ? { kind: "interrupted", message } : { ...error, message } });
      return;
    }
    const attempt = (good ? 0 : this.#store.state.attempt) + 1;
    // Full jitter: viewers that lost the same server do not come back in the same instant.
    const delay = Math.random() * Math.min(MAX_DELAY, this.#serverRetry * 2 ** (attempt - 1));
    const asked = how.kind === "error" ? (how.retryAfter ?? 0) : 0;
    const wait = Math.min(Math.max(delay, asked), MAX_TIMER);
    this.#set({ status: "reconnecting", active: true, attempt, error, retryAt: Date.now() + wait });
    const timer = setTimeout(this.#retryNow, wait);
    globalThis.addEventListener?.("online", this.#retryNow);
    this.#stopAttempt = () => {
      clearTimeout(timer);
      globalThis.removeEventListener?.("online", this.#retryNow);
    };
  }

  /** Whether this holds a connection open, and has a route to poll in its place. */
  #polls(): boolean {
    const { mode, method, url } = this.#target;
    return this.#canPoll && mode !== "poll" && method === "GET" && pollUrl(url) !== url;
  }

  /** Whether the browser asks the server first which headers it takes. */
  #crossesOrigins(): boolean {
    const page = globalThis.location?.origin;
    return this.#store.cursor !== "" && page !== undefined && pageUrl(this.#target.url).origin !== page;
  }
}

function outcomeOf(status: unknown): JobOutcome | null {
  return status === "completed" || status === "failed" || status === "cancelled" ? status : null;
}

/** Whether an answer to a poll says that there is nothing to poll. */
function isNoRoute({ kind, status }: StreamError): boolean {
  return kind === "protocol" || status === 404 || status === 405;
}

/** Calls `bark` when nothing was `alive` for `limit` milliseconds (and the grace that was asked for). 0: never. */
function makeWatchdog(limit: number, bark: () => void): { alive: (grace?: number) => void; stop: () => void } {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const stop = (): void => clearTimeout(timer);
  const alive = (grace = 0): void => {
    stop();
    if (limit && grace < MAX_TIMER) timer = setTimeout(bark, Math.min(limit + grace, MAX_TIMER));
  };
  alive();
  return { alive, stop };
}
