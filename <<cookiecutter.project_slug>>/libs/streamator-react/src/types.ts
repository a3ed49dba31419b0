/** How a line is coloured. Other words for them are taken too: `critical`, `WARN`, `ok`, the numbers of Python's logging, ... */
export type LogLevel = "info" | "success" | "warning" | "error";

/** One event as the server sent it. `log` events carry `message` and `level`, others what the job put in. */
export interface StreamEvent {
  readonly event: string;
  /** Seconds since the job's logger was made. */
  readonly t?: number;
  readonly message?: string;
  readonly level?: string;
  readonly [field: string]: unknown;
}

/** One line, ready to be shown. Entries are never changed after they were published. */
export interface LogEntry {
  readonly text: string;
  /** `seconds` as text: `"1.2s"`. */
  readonly t: string;
  /** Seconds since the job began, by the server's clock; since the stream was opened where an event has no `t`. */
  readonly seconds: number;
  readonly level: LogLevel;
  /** Position in the job's log as the server numbers it, from 1 as a rule; null for what it does not number (a gap). */
  readonly id: number | null;
  /** 1-based number of the line in this view. It stays with the line when older ones are dropped. */
  readonly line: number;
  /** The type of the event that the line was made from: `log`, `gap`, ... */
  readonly event: string;
  /**
   * The event itself, with the fields that the line has not, and its level as it was written. Not there where there is no
   * more to it than `event`, `text`, `level` and `seconds` say (a plain `log`), and for a line of the library's own.
   */
  readonly payload?: StreamEvent;
}

/** What a formatter may answer: a text, a text with a level or a time (`t`, in seconds), or null for "no line for this event". */
export type Formatted = string | { readonly text: string; readonly level?: string; readonly t?: number } | null | undefined;

/** Turns an event into a line, or into none. A gap is shown even where the answer is null. */
export type FormatEvent = (event: StreamEvent) => Formatted;

/**
 * - `idle` no URL, or closed by `close()`
 * - `connecting` the first attempt is under way
 * - `open` connected
 * - `reconnecting` the connection broke; the next attempt is waiting or under way
 * - `ended` the job is over, see `outcome`
 * - `lost` the process that ran the job has died; it may come back as long as `active` is true
 * - `failed` given up, see `error`
 */
export type StreamStatus = "idle" | "connecting" | "open" | "reconnecting" | "ended" | "lost" | "failed";

/** How the job ended, as its `done` event says. */
export type JobOutcome = "completed" | "failed" | "cancelled";

/**
 * - `gone` 404 or 410: there is no such job (any more)
 * - `denied` 401 or 403
 * - `rejected` any other 4xx that a second try would not change; a URL that cannot be asked for at all
 * - `busy` 429; a stream is polled instead, anything else tried again
 * - `server` 5xx or 408; tried again
 * - `network` no answer, or the connection broke; tried again
 * - `timeout` no byte for longer than `timeout`; tried again
 * - `protocol` an answer that is neither an event stream nor a poll answer
 * - `interrupted` a stream that may not be asked for twice (a POST) broke off after it had begun
 */
export type StreamErrorKind =
  | "gone"
  | "denied"
  | "rejected"
  | "busy"
  | "server"
  | "network"
  | "timeout"
  | "protocol"
  | "interrupted";

/** Why the stream is not open. `status` is the HTTP status where there was one. */
export interface StreamError {
  readonly kind: StreamErrorKind;
  readonly status?: number;
  readonly message: string;
  /** The server's own sentence, where its answer has one: `{"error": "..."}`, FastAPI's `{"detail": ...}`, problem details. */
  readonly detail?: string;
}

/**
 * How the events come in. `sse` is fetch, and EventSource where fetch cannot stream; `ws` is a WebSocket. What reads the
 * others is loaded at first use; `import "streamator-react/ws"` (`/poll`, `/eventsource`) puts it into the page's bundle.
 */
export type StreamMode = "sse" | "eventsource" | "poll" | "ws";

/**
 * Request headers, or a function that gives them anew for each attempt, for tokens that expire. An answer of 401 is then
 * tried once more, at once, with `refused` true: time for another token.
 */
export type StreamHeaders =
  | Readonly<Record<string, string>>
  | ((refused: boolean) => Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>);

export interface LogStreamOptions {
  /** Default `"sse"`. A change reconnects. */
  mode?: StreamMode;
  /** Milliseconds between two polls, default 3000. May change without a reconnect. */
  interval?: number;
  /** Default: the event's message, or its label in BASE_EVENT_LABELS. Applies to events from then on. */
  formatEvent?: FormatEvent;
  /** Called for each event in order, also for those that make no line. `id` is null where there is none. */
  onEvent?: (event: StreamEvent, id: number | null) => void;
  /** Called with the server's answer each time the stream opens, for its headers. Fetch only. */
  onOpen?: (response: Response) => void;
  /** Lines kept, default 200000. The oldest go first; `dropped` counts them. */
  maxEntries?: number;
  /** Not sent by EventSource and WebSocket. Read at each attempt. */
  headers?: StreamHeaders;
  /**
   * Gives the URL of each attempt of an EventSource or a WebSocket, which send no headers: with a ticket in its query,
   * for instance. `refused` as for `headers`. It rejects with what has a `status`: that is what the stream was refused with.
   */
  signUrl?: (url: string, refused: boolean) => string | Promise<string>;
  /** Default `"GET"`. Only `mode: "sse"` sends another. A change reconnects. */
  method?: string;
  /** Sent with a method that takes one. Read at each attempt; a change of a string reconnects. */
  body?: BodyInit | null;
  /** Default `"same-origin"`. A change reconnects. */
  credentials?: RequestCredentials;
  /** Reconnect when the stream breaks. Default: true for GET, false for methods that may not be repeated. */
  retry?: boolean;
  /** Milliseconds without a byte after which a connection is dead, default 45000 (three heartbeats). 0: never. */
  timeout?: number;
}

/** One published state of a stream. Snapshots are immutable; two publishes never share a changed array. */
export interface LogSnapshot {
  readonly logs: readonly LogEntry[];
  /** Whether more may come: connecting, open, reconnecting, or lost with the connection still up. */
  readonly active: boolean;
  readonly status: StreamStatus;
  /** Whether the lines are asked for again and again: by `mode: "poll"`, or where there is no room for another stream. */
  readonly polled: boolean;
  /** Why there is no connection now; null while all is well. */
  readonly error: StreamError | null;
  /** Failed attempts since the last good connection. */
  readonly attempt: number;
  /** When the next attempt is due, in milliseconds as `Date.now()`; null where none is waited for. */
  readonly retryAt: number | null;
  /** How often the stream went on after a break. */
  readonly resumes: number;
  /** Lines that `maxEntries` has pushed out of `logs`. */
  readonly dropped: number;
  /** Lines that the server had to drop, as its gaps say: lost to this reader. */
  readonly missed: number;
  /** Lines in `logs` by level. */
  readonly counts: Readonly<Record<LogLevel, number>>;
  /** How the job ended; null before that, and where the server did not say. */
  readonly outcome: JobOutcome | null;
}

export interface LogStream extends LogSnapshot {
  /** Disconnect and stay so; the lines remain. */
  readonly close: () => void;
  /** Connect now, from the last line seen: after `close()`, after a failure, or to skip a wait. */
  readonly reconnect: () => void;
  /** Forget the lines. The stream goes on where it is. */
  readonly clear: () => void;
}
