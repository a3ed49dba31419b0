import { DEFAULT_INTERVAL, type Target } from "./connection.js";
import { JobConnection } from "./jobConnection.js";
import { draftAfter, progressAfter, type JobProgress } from "./jobEvents.js";
import { levelOf, textOf } from "./formatEvent.js";
import { Newest } from "./newest.js";
import { call, DEFAULT_MAX_ENTRIES, IDLE_SNAPSHOT, type ConnectionState } from "./store.js";
import { reason, resolveHeaders, sentenceOf } from "./transport/transport.js";
import type { JobOutcome, LogSnapshot, LogStreamOptions, StreamEvent } from "./types.js";

/**
 * - `idle` not started
 * - `starting` the request that starts it is under way
 * - `running` it has an id, or its stream is open; also while its result is fetched
 * - `completed`, `failed`, `cancelled` over
 * - `lost` nothing more is known of it: its process died, or its stream was given up, see `error`
 */
export type JobState = "idle" | "starting" | "running" | "completed" | "failed" | "cancelled" | "lost";

/**
 * - `start` it could not be started
 * - `job` it failed; the message is that of its last error
 * - `stream` its stream was given up
 * - `cancel` it could not be cancelled, and goes on
 * - `result` it completed, but its result could not be fetched
 */
export type JobErrorKind = "start" | "job" | "stream" | "cancel" | "result";

export interface JobError {
  readonly kind: JobErrorKind;
  /** The HTTP status where there was one. */
  readonly status?: number;
  /** The server's own sentence where it sent one. */
  readonly message: string;
}

/** A request that starts a job and is answered with its stream. */
export interface JobRequest {
  readonly url: string;
  /** Default `"POST"`. */
  readonly method?: string;
  readonly body?: BodyInit | null;
}

/** Starts a job and says which; or the request that does. `signal`: the start is not wanted any more. */
export type JobStart = ((signal: AbortSignal) => Promise<{ readonly job_id: string }>) | JobRequest;

export interface JobOptions
  extends Pick<LogStreamOptions, "mode" | "interval" | "formatEvent" | "onEvent" | "maxEntries" | "headers" | "signUrl" | "credentials" | "timeout"> {
  /** A job to follow from its first event, such as one that was started before a reload. Another id is another job. */
  jobId?: string | null;
  /** What stands before `/{job_id}/stream`, `/result` and `/cancel`. Default `"/job"`. */
  prefix?: string;
  /** Default `{prefix}/{job_id}/stream`. */
  streamUrl?: (jobId: string) => string;
  /** Asked once the job has completed, unless its `complete` event has brought the result. Null: there is none to ask for. */
  resultUrl?: ((jobId: string) => string) | null;
  /** Default `{prefix}/{job_id}/cancel`; gets a POST. */
  cancelUrl?: (jobId: string) => string;
}

/** One published state of a job. Immutable. */
export interface JobSnapshot<Result = unknown> {
  readonly state: JobState;
  /** Null until the server has said it. */
  readonly jobId: string | null;
  /** All events in order, the newest `maxEntries` of them. */
  readonly events: readonly StreamEvent[];
  /** The last that a `progress` event told; null before the first. */
  readonly progress: JobProgress | null;
  /** The text so far: the last `draft` event's, and the `token`s since. */
  readonly draft: string;
  /** What the `complete` event brought, else what `resultUrl` answered; null before, and where there is none. */
  readonly result: Result | null;
  readonly error: JobError | null;
  /** Whether it was asked to stop and has not ended yet. */
  readonly cancelling: boolean;
  /**
   * When it began, in milliseconds by this browser's clock. Of a job that is followed by its id: null until events have come
   * as they were made; those that were there before do not tell how long ago that was.
   */
  readonly startedAt: number | null;
  /** When it ended, by the same clock; null where that is not known, as of a job that had ended before it was followed. */
  readonly endedAt: number | null;
}

export interface RunSnapshot extends JobSnapshot {
  readonly log: LogSnapshot;
  /** The `jobId` option that this answers. */
  readonly asked: string | null;
}

export const IDLE_JOB: RunSnapshot = Object.freeze({
  state: "idle",
  jobId: null,
  events: Object.freeze([]),
  progress: null,
  draft: "",
  result: null,
  error: null,
  cancelling: false,
  startedAt: null,
  endedAt: null,
  log: IDLE_SNAPSHOT,
  asked: null,
});

/** What a job that is followed by its id shows before anything is known of it. */
export function followed(jobId: string): RunSnapshot {
  return { ...IDLE_JOB, state: "running", jobId, asked: jobId };
}

/** An event by two clocks, in milliseconds: when it came, and how long after the job's start it was made. */
interface Moment {
  readonly at: number;
  readonly t: number;
}

/** Milliseconds for which events have to come as they are made, until they count as live. */
const LIVE = 1_000;
/** Milliseconds by which the ways of two events may differ, */
const SLACK = 500;
/** and so many intervals between polls. */
const LATE = 2;

const CANCELLED = "cancelled";
const UNKNOWN = "The server has not said which job this is: its answer has no x-job-id, and no event a job_id.";
const OVER: ReadonlySet<JobState> = new Set<JobState>(["idle", "completed", "failed", "cancelled"]);

/**
 * One job after another, without React: start, follow, result, cancel.
 *
 * Snapshots are published with the stream's, once a frame at most; at once for what the user does, and for a new state
 * of the job. The lines of all events that a snapshot tells of are in its log.
 */
export class JobRun {
  #start: JobStart | null;
  #options: JobOptions;
  #now = IDLE_JOB;
  #snapshot = IDLE_JOB;
  #events = new Newest<StreamEvent>();
  #eventsChanged = false;
  #lastError: string | null = null;
  #completed: StreamEvent | null = null;
  #open = false;
  #heard: Moment | null = null; // when the stream opened, or the last event came
  #pace: Moment | null = null; // since when events have come as fast as they were made
  #asked: string | null = null; // what `follow` was asked for last
  #connection: JobConnection | null = null;
  #unsubscribe: (() => void) | null = null;
  #work: AbortController | null = null; // the start or the fetch of the result
  #listeners = new Set<() => void>();

  constructor(start: JobStart | null, options: JobOptions) {
    this.#start = start;
    this.#options = options;
    if (options.jobId) this.#now = this.#snapshot = followed(options.jobId);
  }

  /** What is to be used from now on. */
  use(start: JobStart | null, options: JobOptions): void {
    this.#start = start;
    this.#options = options;
  }

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  getSnapshot = (): RunSnapshot => this.#snapshot;

  /** Starts a job. One that runs is let go: it goes on, unseen. */
  start(): void {
    const start = this.#start;
    if (start === null) throw new Error("useJob(null) only follows the job of its option jobId. To start one, give it a function or a request.");
    this.#begin({ state: "starting", startedAt: Date.now() });
    if (typeof start === "function") void this.#startBy(start);
    else this.#connect({ url: start.url, mode: "sse", method: (start.method ?? "POST").toUpperCase(), credentials: this.#options.credentials ?? "same-origin" });
  }

  /** Follows a job by its id, unless it is followed already. Null: leave things as they are. */
  follow(jobId: string | null): void {
    if (jobId === this.#asked) return; // an effect that runs anew
    this.#asked = jobId;
    if (jobId !== null && (jobId !== this.#now.jobId || !this.#connection)) {
      this.#begin(followed(jobId));
      try {
        this.#connect(this.#own(jobId));
      } catch (error) {
        this.#over("lost", { error: { kind: "stream", message: reason(error) } }); // streamUrl has thrown
      }
    } else this.#set({ asked: jobId });
  }

  /** Asks the job to stop. Whether it could be asked is told by `error`; that it stopped, by its end. */
  async cancel(): Promise<void> {
    const { state, jobId, cancelling } = this.#now;
    if (OVER.has(state) || cancelling) return;
    this.#set({ cancelling: true, error: null });
    if (jobId !== null) await this.#cancel(jobId);
    else if (this.#work) {
      this.#work.abort(CANCELLED);
      this.#set({ state: "cancelled", cancelling: false });
    } else if (state !== "starting") this.#cancelFailed(UNKNOWN);
  }

  /** Back to `idle`. A job that runs goes on, unseen. */
  reset(): void {
    this.#begin({});
  }

  close = (): void => this.#connection?.close();
  reconnect = (): void => this.#connection?.reconnect();
  clear = (): void => this.#connection?.store.clear();

  /** Goes on where `detach` has left off. */
  attach(): void {
    const { state, jobId } = this.#now;
    if (OVER.has(state) || this.#connection?.resume() || jobId !== null) return;
    if (state === "starting") this.#begin({});
    else this.#over("lost", { error: { kind: "stream", message: UNKNOWN } });
  }

  /** Stops all requests. What is known of the job stays. */
  detach(): void {
    this.#work?.abort();
    this.#work = null;
    this.#connection?.dispose();
  }

  #begin(change: Partial<RunSnapshot>): void {
    this.detach();
    this.#unsubscribe?.();
    this.#unsubscribe = this.#connection = null;
    this.#events = new Newest();
    this.#eventsChanged = true;
    this.#lastError = null;
    this.#completed = this.#heard = this.#pace = null;
    this.#now = { ...IDLE_JOB, asked: this.#now.asked };
    this.#set(change);
  }

  #set(change: Partial<RunSnapshot>): void {
    this.#now = { ...this.#now, ...change };
    if (this.#connection) this.#connection.store.flush(); // its lines with it, by `#publish`
    else this.#publish();
  }

  #publish = (): void => {
    this.#snapshot = {
      ...this.#now,
      events: this.#eventsChanged ? this.#events.slice() : this.#snapshot.events,
      log: this.#connection?.store.getSnapshot() ?? IDLE_SNAPSHOT,
    };
    this.#eventsChanged = false;
    for (const listener of this.#listeners) call(listener);
  };

  async #startBy(start: Exclude<JobStart, JobRequest>): Promise<void> {
    const work = new AbortController();
    this.#work = work;
    await Promise.resolve(); // StrictMode runs effects twice within a tick, and one of the two is called off
    if (work.signal.aborted) return;
    try {
      const { job_id: jobId } = await start(work.signal);
      if (work.signal.aborted) {
        if (work.signal.reason === CANCELLED) await this.#ask("cancel", jobId, { method: "POST" }); // too late to be stopped
        return;
      }
      this.#work = null;
      this.#connect(this.#own(jobId), { state: "running", jobId });
    } catch (error) {
      if (!work.signal.aborted) this.#over("failed", { error: { kind: "start", ...statusOf(error), message: reason(error) } });
    }
  }

  #own(jobId: string): Target {
    const { mode = "sse", credentials = "same-origin" } = this.#options;
    return { url: this.#url("stream", jobId), mode, method: "GET", credentials };
  }

  #url(what: "stream" | "result" | "cancel", jobId: string): string {
    const options = this.#options;
    const own = options[`${what}Url`];
    return own ? own(jobId) : `${options.prefix ?? "/job"}/${encodeURIComponent(jobId)}/${what}`;
  }

  #connect(target: Target, change: Partial<RunSnapshot> = {}): void {
    const connection = new JobConnection(
      target,
      () => {
        const { onEvent, ...options } = this.#options;
        return {
          ...options,
          body: typeof this.#start === "function" ? null : this.#start?.body,
          onEvent: (event, id) => {
            this.#receive(event);
            onEvent?.(event, id);
          },
        };
      },
      {
        streamUrl: (jobId) => this.#url("stream", jobId),
        onJobId: (jobId) => {
          this.#set({ jobId });
          if (this.#now.cancelling) void this.#cancel(jobId);
        },
        onState: (state) => this.#connected(state),
      },
    );
    this.#connection = connection;
    this.#unsubscribe = connection.store.subscribe(this.#publish);
    connection.start();
    this.#set(change);
  }

  /** Takes an event in; it is published with the stream's lines. */
  #receive(event: StreamEvent): void {
    this.#events.push(event);
    const most = Math.max(1, this.#options.maxEntries ?? DEFAULT_MAX_ENTRIES);
    while (this.#events.length > most) this.#events.shift();
    this.#eventsChanged = true;
    if (event.event === "complete") this.#completed = event;
    if (event.event === "error" || levelOf(event.level) === "error") this.#lastError = textOf(event.message ?? event.error ?? event);
    const { progress, draft } = this.#now;
    const startedAt = this.#startedAt(event.t);
    const endedAt = event.event === "done" ? endOf(startedAt, event.t) : null;
    this.#now = { ...this.#now, progress: progressAfter(progress, event), draft: draftAfter(draft, event), startedAt, endedAt };
    this.#connection?.store.publishSoon(); // also where a new state has just taken its line along
  }

  /** When the job began, with what an event that came now tells of it. */
  #startedAt(t: unknown): number | null {
    const { startedAt } = this.#now;
    if (typeof t !== "number" || !Number.isFinite(t)) return startedAt;
    const now = { at: Date.now(), t: t * 1000 };
    const before = this.#heard;
    this.#heard = now;
    const guess = now.at - now.t;
    const pace = this.#pace;
    // An event cannot come before it was made, so of all guesses the earliest is the best. One that is much earlier shows
    // that the others were of events that were not live.
    const late = pace !== null && pace.at - pace.t - guess > LATE * (this.#options.interval ?? DEFAULT_INTERVAL);
    if (startedAt !== null && !late) return Math.min(startedAt, guess);
    // The stream was silent, and this event was made meanwhile: there was nothing left to send.
    const silent = before !== null && now.at - before.at >= LIVE && now.t - before.t >= now.at - before.at - SLACK;
    if (pace === null || Math.abs(guess - (pace.at - pace.t)) > SLACK) this.#pace = now;
    const kept = this.#pace === pace && pace !== null && now.at - pace.at >= LIVE;
    return silent || kept ? guess : null;
  }

  #connected({ status, outcome, error }: ConnectionState): void {
    const { state } = this.#now;
    if (status === "open" && !this.#open) this.#heard = { at: Date.now(), t: this.#heard?.t ?? 0 };
    this.#open = status === "open";
    if (status === "open" && (state === "starting" || state === "lost")) this.#set({ state: "running", error: null });
    else if (status === "ended") void this.#ended(outcome);
    else if (status === "lost") this.#set({ state: "lost", error: { kind: "stream", message: "The process that ran the job has died." } });
    else if (status === "failed" && error) {
      const begun = state !== "starting";
      const message = error.detail ?? error.message;
      this.#over(begun ? "lost" : "failed", { error: { kind: begun ? "stream" : "start", ...statusOf(error), message } });
    }
  }

  async #ended(outcome: JobOutcome | null): Promise<void> {
    if (outcome === "cancelled") return this.#over("cancelled", { error: null });
    if (outcome === "failed") return this.#over("failed", { error: { kind: "job", message: this.#lastError ?? "The job failed, and did not say why." } });
    if (this.#completed) return this.#over("completed", { error: null, result: this.#completed });
    const { jobId } = this.#now;
    if (jobId === null || this.#options.resultUrl === null) return this.#over("completed", { error: null });
    const work = new AbortController();
    this.#work = work;
    const asked = await this.#ask("result", jobId, { signal: work.signal });
    if (work.signal.aborted) return undefined;
    this.#work = null;
    if (asked.ok) return this.#over("completed", { error: null, result: asked.body });
    if (asked.status === 404) return this.#over("completed", { error: null }); // it has none
    return this.#over("completed", { error: { kind: "result", ...statusOf(asked), message: asked.message } });
  }

  #over(state: JobState, change: Partial<RunSnapshot>): void {
    const { startedAt, endedAt } = this.#now;
    this.#set({ state, cancelling: false, endedAt: endedAt ?? (startedAt === null ? null : Date.now()), ...change });
  }

  async #cancel(jobId: string): Promise<void> {
    const asked = await this.#ask("cancel", jobId, { method: "POST" });
    if (!asked.ok && this.#now.jobId === jobId && !OVER.has(this.#now.state)) this.#cancelFailed(asked.message, asked.status);
  }

  #cancelFailed(message: string, status?: number): void {
    this.#set({ cancelling: false, error: { kind: "cancel", ...statusOf({ status }), message } });
  }

  /** One request to the job's routes. Does not reject. */
  async #ask(what: "result" | "cancel", jobId: string, init: RequestInit, refused = false): Promise<Answer> {
    const { headers: given, credentials = "same-origin" } = this.#options;
    let url = `The job's ${what}`; // until its function has said it
    try {
      url = this.#url(what, jobId);
      const headers = await resolveHeaders(given, "application/json", refused);
      const response = await fetch(url, { ...init, headers, credentials, cache: "no-store" });
      if (response.status === 401 && typeof given === "function" && !refused) return await this.#ask(what, jobId, init, true);
      const body: unknown = await response.json().catch(() => null);
      if (response.ok) return { ok: true, body };
      return { ok: false, status: response.status, message: sentenceOf(body) ?? `${url} answered ${response.status}.` };
    } catch (error) {
      return { ok: false, message: `${url} cannot be reached: ${reason(error)}` };
    }
  }
}

type Answer = { readonly ok: true; readonly body: unknown } | { readonly ok: false; readonly status?: number; readonly message: string };

function statusOf(error: unknown): { status?: number } {
  const status = (error as { status?: unknown } | null)?.status;
  return typeof status === "number" && status > 0 ? { status } : {};
}

function endOf(startedAt: number | null, t: unknown): number | null {
  if (startedAt === null) return null;
  return typeof t === "number" ? startedAt + t * 1000 : Date.now();
}
