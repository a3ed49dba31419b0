import { call, report, positionOf, type ConnectionState, type Incoming, type LogStore } from "./store.js";
import { eventSource } from "./transport/eventSource.js";
import { canStream, fetchSse } from "./transport/fetchSse.js";
import { poll } from "./transport/poll.js";
import { takeSlot } from "./transport/slots.js";
import {
  checkUrl, failure, isProducerStatus, MAX_TIMER, pageUrl, pollUrl, reason, type AttemptEnd, type Sink, type StreamRequest, type Transport,
} from "./transport/transport.js";
import { webSocket } from "./transport/webSocket.js";
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

  #stopAttempt: (() => void) | null = null;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #serverRetry = BASE_DELAY;
  // Streams beyond the browser's connection limit poll; where the server has no such route they stream all the same.
  #canPoll = true;
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
      url: target.url,
      method: target.method,
      credentials: target.credentials,
      cursor: () => store.cursor,
      cursorInUrl: () => this.#cursorInUrl,
      headers: () => {
        const { headers } = options();
        return typeof headers === "function" ? () => headers(this.#refused) : headers;
      },
      signed: async (url) => options().signUrl?.(url, this.#refused) ?? url,
      body: () => options().body,
      interval: () => options().interval ?? DEFAULT_INTERVAL,
    };
  }

  /** Connect one tick from now: React's StrictMode mounts twice within the tick, and one of the two is disposed. */
  start(): void {
    this.#set({ status: "connecting", active: true, attempt: 0, error: null });
    let stopped = false;
    this.#stopAttempt = () => {
      stopped = true;
    };
    queueMicrotask(() => {
      if (!stopped) this.#attempt();
    });
  }

  /** Disconnect for good, without a word to the store. */
  dispose(): void {
    this.#stopAttempt?.();
    this.#stopAttempt = null;
    clearTimeout(this.#retryTimer);
    this.#retryTimer = undefined;
    globalThis.removeEventListener?.("online", this.#retryNow);
  }

  /** Disconnect and say so. The lines stay, and `reconnect` goes on from the last. */
  close(): void {
    const { active } = this.#store.state;
    this.dispose();
    if (active) this.#set({ status: "idle", active: false, attempt: 0, error: null });
  }

  /** Connect now, whatever the state. */
  reconnect(): void {
    this.dispose();
    this.#crowded = this.#refused = false;
    this.#set({ status: "connecting", active: true, attempt: 0, error: null });
    this.#attempt();
  }

  #set(change: Partial<ConnectionState>): void {
    this.#store.setState({ ...this.#store.state, retryAt: null, ...change });
  }

  #retryNow = (): void => {
    clearTimeout(this.#retryTimer);
    this.#retryTimer = undefined;
    globalThis.removeEventListener?.("online", this.#retryNow);
    this.#set({}); // no longer waiting
    this.#attempt();
  };

  #attempt(): void {
    const unaskable = checkUrl(this.#target.url, this.#target.mode === "ws");
    if (unaskable) {
      this.#ended(unaskable, false);
      return;
    }
    const controller = new AbortController();
    const { signal } = controller;
    const startedAt = performance.now();
    let opened = false;
    let good = false;

    const stop = (): void => {
      watchdog.stop();
      slot?.release();
      controller.abort();
      if (this.#stopAttempt === stop) this.#stopAttempt = null;
    };
    this.#stopAttempt = stop;

    const end = (how: AttemptEnd): void => {
      if (signal.aborted) return;
      if (overflow && how.kind === "error" && isNoRoute(how.error)) {
        this.#canPoll = false;
        again();
        return;
      }
      stop();
      if (!opened && how.kind === "error" && how.error.kind === "network" && this.#crossesOrigins()) this.#cursorInUrl = !this.#cursorInUrl;
      this.#ended(how, good || performance.now() - startedAt >= GOOD_AFTER);
    };
    const again = (): void => {
      stop();
      this.#attempt();
    };

    const crowded = this.#crowded && this.#canPoll;
    const slot = this.#takesSlot() && !crowded ? takeSlot(this.#target.url, again) : null;
    const overflow = crowded || (slot?.granted === false && this.#canPoll);
    const transport = overflow ? poll : this.#transport();
    const timeout = this.#options().timeout ?? DEFAULT_TIMEOUT;
    const watchdog = makeWatchdog(timeout, () => end(failure("timeout", `nothing came from ${this.#target.url} for ${timeout / 1000} s`)));

    const sink: Sink = {
      open: (response) => {
        if (signal.aborted) return;
        opened = true;
        this.#refused = false;
        watchdog.alive(0);
        this.#store.resume();
        if (response) call(this.#options().onOpen, response);
        if (signal.aborted) return;
        const { status } = this.#store.state;
        if (status !== "connecting" && status !== "reconnecting") return;
        const resumed = status === "reconnecting" ? 1 : 0;
        this.#set({ status: "open", active: true, error: null, resumes: this.#store.state.resumes + resumed });
      },
      alive: (grace = 0) => watchdog.alive(grace),
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
    transport(this.#request, sink, signal).then(end, (error: unknown) => {
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
    if (error?.kind === "busy" && !this.#crowded && this.#canPoll && this.#isStream()) {
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
    this.#retryTimer = setTimeout(this.#retryNow, wait);
    globalThis.addEventListener?.("online", this.#retryNow);
  }

  #transport(): Transport {
    if (this.#target.mode === "poll") return poll;
    if (this.#target.mode === "ws") return webSocket;
    return this.#target.mode === "eventsource" || !canStream() ? eventSource : fetchSse;
  }

  /** Whether this holds a connection open, and has a route to poll in its place. */
  #isStream(): boolean {
    return this.#target.mode !== "poll" && this.#target.method === "GET" && pollUrl(this.#target.url) !== this.#target.url;
  }

  /** Whether the browser asks the server first which headers it takes. */
  #crossesOrigins(): boolean {
    const page = globalThis.location?.origin;
    return this.#store.cursor !== "" && page !== undefined && pageUrl(this.#target.url).origin !== page;
  }

  /** Whether the connection is one of the browser's six. A WebSocket is none of them. */
  #takesSlot(): boolean {
    return this.#target.mode !== "ws" && this.#isStream();
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
function makeWatchdog(limit: number, bark: () => void): { alive: (grace: number) => void; stop: () => void } {
  let deadline = performance.now() + limit;
  let timer: ReturnType<typeof setTimeout> | undefined;
  // One timer that looks again at the deadline, not a new one for each chunk.
  const look = (): void => {
    const rest = deadline - performance.now();
    if (rest <= 0) bark();
    else if (rest !== Number.POSITIVE_INFINITY) timer = setTimeout(look, Math.min(rest, MAX_TIMER));
  };
  if (limit > 0) look();
  return {
    alive: (grace) => {
      deadline = performance.now() + limit + grace;
    },
    stop: () => clearTimeout(timer),
  };
}
