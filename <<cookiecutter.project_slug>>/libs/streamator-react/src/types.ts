/** A line's level. Events may use other words for it: `critical`, `WARN`, `ok`, the numbers of Python's logging, ... */
export type LogLevel = "info" | "success" | "warning" | "error";

/** One event as the server sent it. `log` events have `message` and `level`, others what the job put in. */
export interface StreamEvent {
  readonly event: string;
  /** Seconds since the job's logger was made; since its attempt began. */
  readonly t?: number;
  readonly message?: string;
  readonly level?: string;
  readonly [field: string]: unknown;
}

/** One line, ready to be shown. Immutable. */
export interface LogEntry {
  readonly text: string;
  /** `seconds` as text: `"1.2s"`. */
  readonly t: string;
  /** Seconds since the job's attempt began, by the server's clock. Without `t` in the event: since this view began. */
  readonly seconds: number;
  readonly level: LogLevel;
  /** The event's id in the job's log, usually from 1; null without one (a gap). */
  readonly id: number | null;
  /** The line's number in this view, from 1. It stays the same when older lines are dropped. */
  readonly line: number;
  /** The number of the job's attempt that the line is of, from 2; left out for the first. */
  readonly attempt?: number;
  /** The type of the line's event: `log`, `gap`, `attempt` (the first line of an attempt), ... */
  readonly event: string;
  /**
   * The event, with its other fields and with its level as it was written. Left out if it has nothing beside `event`,
   * `text`, `level` and `seconds` (a plain `log`), and for the library's own lines.
   */
  readonly payload?: StreamEvent;
}

/** What a formatter returns: a text, a text with a level or a time (`t`, in seconds), or null for no line. */
export type Formatted = string | { readonly text: string; readonly level?: string; readonly t?: number } | null | undefined;

/** Turns an event into a line or into none. A gap and the begin of an attempt are shown even if the formatter returns null. */
export type FormatEvent = (event: StreamEvent) => Formatted;

/**
 * - `idle` no URL, or closed by `close()`
 * - `connecting` the first attempt is under way
 * - `open` connected
 * - `reconnecting` the connection broke; the next attempt is waiting or under way
 * - `ended` the job is over, see `outcome`
 * - `lost` the process that ran the job has died; it may come back as long as `active` is true
 * - `failed` it does not try again, see `error`
 */
export type StreamStatus = "idle" | "connecting" | "open" | "reconnecting" | "ended" | "lost" | "failed";

/** How the job ended, as its last `done` event says. */
export type JobOutcome = "completed" | "failed" | "cancelled";

/** One run of a job by one worker. A job that is run again has several, all in one log. */
export interface JobAttempt {
  /** From 1. */
  readonly attempt: number;
  /** Why it began, in the server's words; null for the first one, and if the server does not say. */
  readonly reason: string | null;
  /** As its `done` says; null before that. An attempt that another one follows and that has none died without it. */
  readonly outcome: JobOutcome | null;
  /** When it began, in milliseconds by this browser's clock; null until events of it come live. */
  readonly startedAt: number | null;
}

/**
 * - `gone` 404 or 410: there is no such job (any more)
 * - `denied` 401 or 403
 * - `rejected` any other 4xx except 408; a URL that nothing can be fetched from
 * - `busy` 429; a stream is polled instead, anything else retried
 * - `server` 5xx or 408; retried
 * - `network` no answer, or the connection broke; retried
 * - `timeout` no byte for longer than `timeout`; retried
 * - `protocol` an answer that is neither an event stream nor a poll answer
 * - `interrupted` a stream that may not be requested twice (a POST) broke off
 */
export type StreamErrorKind = "gone" | "denied" | "rejected" | "busy" | "server" | "network" | "timeout" | "protocol" | "interrupted";

/** Why the stream is not open. `status` is the HTTP status, if there was one. */
export interface StreamError {
  readonly kind: StreamErrorKind;
  readonly status?: number;
  readonly message: string;
  /** The server's own sentence, if its answer has one: `{"error": "..."}`, FastAPI's `{"detail": ...}`, problem details. */
  readonly detail?: string;
}

/**
 * How the events come in. `sse` is fetch, or EventSource if fetch cannot stream; `ws` is a WebSocket. The others are
 * loaded at first use; `import "streamator-react/ws"` (`/poll`, `/eventsource`) puts them into the page's bundle.
 */
export type StreamMode = "sse" | "eventsource" | "poll" | "ws";

/**
 * Request headers, or a function that is called for each attempt, for tokens that expire. After an answer of 401 it is
 * called once more, with `refused` true, and the request is repeated at once.
 */
export type StreamHeaders =
  | Readonly<Record<string, string>>
  | ((refused: boolean) => Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>);

export interface LogStreamOptions {
  /** Default `"sse"`. A change reconnects. */
  mode?: StreamMode;
  /** Milliseconds between two polls, default 3000. May change without a reconnect. */
  interval?: number;
  /** Default: the event's message, or its label in BASE_EVENT_LABELS. A change applies to later events. */
  formatEvent?: FormatEvent;
  /** Called for each event in order, also if it makes no line. `id` is null without one. */
  onEvent?: (event: StreamEvent, id: number | null) => void;
  /** Called with the server's answer each time the stream opens, so that you can read its headers. Fetch only. */
  onOpen?: (response: Response) => void;
  /** The most lines to keep, default 200000. The oldest are dropped; `dropped` counts them. */
  maxEntries?: number;
  /** Read at each attempt. EventSource and WebSocket send none. */
  headers?: StreamHeaders;
  /**
   * Returns the URL for each attempt of an EventSource or a WebSocket, which send no headers: for instance with a ticket in
   * its query. `refused` as for `headers`. If it rejects with an error that has a `status`, that counts as the stream's answer.
   */
  signUrl?: (url: string, refused: boolean) => string | Promise<string>;
  /** Default `"GET"`. Only `mode: "sse"` sends another. A change reconnects. */
  method?: string;
  /** Read at each attempt, for methods that have one. A change of a string reconnects. */
  body?: BodyInit | null;
  /** Default `"same-origin"`. A change reconnects. */
  credentials?: RequestCredentials;
  /** Whether to reconnect when the stream breaks. Default: true for GET only. */
  retry?: boolean;
  /** A connection is dead after this many milliseconds without a byte. Default 45000 (three heartbeats). 0: never. */
  timeout?: number;
}

/** One published state of a stream. Snapshots are immutable; two publishes never share a changed array. */
export interface LogSnapshot {
  readonly logs: readonly LogEntry[];
  /** Whether more lines may come: connecting, open, reconnecting, or lost while still connected. */
  readonly active: boolean;
  readonly status: StreamStatus;
  /** Whether the stream is polled: by `mode: "poll"`, or because there is no room for another stream. */
  readonly polled: boolean;
  /** Why there is no connection now; null if all is well. */
  readonly error: StreamError | null;
  /** Failed attempts to connect since the last good connection. (The job's own attempts are in `logs`.) */
  readonly attempt: number;
  /** When the next attempt is due, in milliseconds as `Date.now()`; null if none is. */
  readonly retryAt: number | null;
  /** How often the stream reconnected. */
  readonly resumes: number;
  /** Lines dropped because of `maxEntries`. */
  readonly dropped: number;
  /** Lines lost to this viewer, by the server's gaps. */
  readonly missed: number;
  /** Lines in `logs` by level. */
  readonly counts: Readonly<Record<LogLevel, number>>;
  /** How the job ended; null before that, and if the server did not say. */
  readonly outcome: JobOutcome | null;
}

export interface LogStream extends LogSnapshot {
  /** Disconnects. The lines stay. */
  readonly close: () => void;
  /** Connects now and goes on after the last line: after `close()`, after a failure, or to skip the backoff. */
  readonly reconnect: () => void;
  /** Forgets the lines. The stream goes on. */
  readonly clear: () => void;
}
