import { targetOf } from "../core/connection.js";
import { levelOf } from "../core/formatEvent.js";
import { JobConnection } from "../core/jobConnection.js";
import { Newest } from "../core/newest.js";
import { call, DEFAULT_MAX_ENTRIES, IDLE_SNAPSHOT, type ConnectionState } from "../core/store.js";
import { attemptOf, textOf } from "../transport/event.js";
import { have } from "../transport/registry.js";
import { DEFAULT_INTERVAL, headersOf, reason, type Target } from "../transport/transport.js";
import type { JobAttempt, JobOutcome, StreamEvent } from "../types.js";
import { JobClock } from "./clock.js";
import { attemptsAfter, draftAfter, FIRST_ATTEMPT, progressAfter, withLast } from "./reducers.js";
import type { JobOptions, JobRequest, JobStart, JobState, RunSnapshot } from "./types.js";

export const IDLE_JOB: RunSnapshot = Object.freeze({
  state: "idle",
  jobId: null,
  attempt: 1,
  attempts: FIRST_ATTEMPT,
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

/** The first snapshot of a job that is followed by its id. */
export function followed(jobId: string): RunSnapshot {
  return { ...IDLE_JOB, state: "running", jobId, asked: jobId };
}

const CANCELLED = "cancelled";
const UNKNOWN = "The server has not said which job this is: its answer has no x-job-id, and no event a job_id.";
const OVER: ReadonlySet<JobState> = new Set<JobState>(["idle", "completed", "failed", "cancelled"]);

/**
 * Runs one job after another, without React: start, follow, result, cancel.
 *
 * It publishes with the stream's store, at most once a frame; at once after a user's action and with a new state of the
 * job. The log of a snapshot has the lines of all its events.
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
  #clock = new JobClock();
  #asked: string | null = null; // the last argument of `follow`
  #connection: JobConnection | null = null;
  #unsubscribe: (() => void) | null = null;
  #work: AbortController | null = null; // aborts the start or the fetch of the result
  #listeners = new Set<() => void>();

  constructor(start: JobStart | null, options: JobOptions) {
    this.#start = start;
    this.#options = options;
    if (options.jobId) this.#now = this.#snapshot = followed(options.jobId);
  }

  /** Changes the start and the options. */
  use(start: JobStart | null, options: JobOptions): void {
    this.#start = start;
    this.#options = options;
  }

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  getSnapshot = (): RunSnapshot => this.#snapshot;

  /** Starts a job and unfollows the one before, which runs on. */
  start(): void {
    const start = this.#start;
    if (start === null) throw new Error("useJob(null) only follows the job of its option jobId. To start one, give it a function or a request.");
    const startedAt = Date.now();
    this.#begin({ state: "starting", startedAt, attempts: withLast(FIRST_ATTEMPT, { startedAt }) });
    if (typeof start === "function") void this.#startBy(start);
    else this.#connect(targetOf(start.url, { method: start.method ?? "POST", credentials: this.#options.credentials }));
  }

  /** Follows a job by its id, unless it does already. Null changes nothing. */
  follow(jobId: string | null): void {
    if (jobId === this.#asked) return; // React ran the effect again
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

  /** Asks the job to stop. `error` tells if that fails, the job's end that it stopped. */
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

  /** Goes back to `idle` and unfollows the job, which runs on. */
  reset(): void {
    this.#begin({});
  }

  close = (): void => this.#connection?.close();
  reconnect = (): void => this.#connection?.reconnect();
  clear = (): void => this.#connection?.store.clear();

  /** Goes on after `detach`. */
  attach(): void {
    const { state, jobId } = this.#now;
    if (OVER.has(state) || this.#connection?.resume() || jobId !== null) return;
    if (state === "starting") this.#begin({});
    else this.#over("lost", { error: { kind: "stream", message: UNKNOWN } });
  }

  /** Stops all requests and keeps the state. */
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
    this.#completed = null;
    this.#clock = new JobClock();
    this.#now = { ...IDLE_JOB, asked: this.#now.asked };
    this.#set(change);
  }

  #set(change: Partial<RunSnapshot>): void {
    this.#now = { ...this.#now, ...change };
    if (this.#connection) this.#connection.store.flush(); // calls `#publish`
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
    await Promise.resolve(); // StrictMode runs effects twice within a tick and calls the first one off
    if (work.signal.aborted) return;
    try {
      const { job_id: jobId } = await start(work.signal);
      if (work.signal.aborted) {
        if (work.signal.reason === CANCELLED) await this.#ask("cancel", jobId, { method: "POST" }); // it had started already
        return;
      }
      this.#work = null;
      this.#connect(this.#own(jobId), { state: "running", jobId });
    } catch (error) {
      if (!work.signal.aborted) this.#over("failed", { error: { kind: "start", ...statusOf(error), message: reason(error) } });
    }
  }

  #own(jobId: string): Target {
    const { mode, credentials } = this.#options;
    return targetOf(this.#url("stream", jobId), { mode, credentials });
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

  /** Handles an event; it is published with the stream's lines. */
  #receive(event: StreamEvent): void {
    this.#events.push(event);
    const most = Math.max(1, this.#options.maxEntries ?? DEFAULT_MAX_ENTRIES);
    while (this.#events.length > most) this.#events.shift();
    this.#eventsChanged = true;
    if (attemptOf(event) !== null) this.#attemptBegins();
    if (event.event === "complete") this.#completed = event;
    if (event.event === "error" || levelOf(event.level) === "error") this.#lastError = textOf(event.message ?? event.error ?? event);
    const { progress, draft } = this.#now;
    const live = this.#now.attempts.at(-1)?.startedAt ?? null; // known of the attempt before: so the next one comes live, too
    let attempts = attemptsAfter(this.#now.attempts, event);
    const { attempt, startedAt: before } = attempts.at(-1) as JobAttempt;
    const startedAt = this.#clock.startedAt(attemptOf(event) !== null && live !== null ? Date.now() : before, event.t, this.#options.interval ?? DEFAULT_INTERVAL);
    if (startedAt !== before) attempts = withLast(attempts, { startedAt });
    const endedAt = event.event === "done" ? endOf(startedAt, event.t) : null;
    this.#now = {
      ...this.#now,
      attempt,
      attempts,
      progress: progressAfter(progress, event),
      draft: draftAfter(draft, event),
      startedAt: (attempts[0] as JobAttempt).startedAt,
      endedAt,
    };
    this.#connection?.store.publishSoon(); // its line may have been published already, with a new state
  }

  /** What the attempt before had come to is not what the new one has. */
  #attemptBegins(): void {
    this.#completed = this.#lastError = null;
    this.#work?.abort(); // the fetch of its result
    this.#now = { ...this.#now, state: "running", result: null, error: null };
  }

  #connected({ status, outcome, error }: ConnectionState): void {
    const { state } = this.#now;
    if (status === "open" && !this.#open) this.#clock.opened();
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
    const { jobId } = this.#now;
    if (this.#completed || jobId === null || this.#options.resultUrl === null) return this.#over("completed", { error: null, result: this.#completed });
    const work = new AbortController();
    this.#work = work;
    const asked = await this.#ask("result", jobId, { signal: work.signal });
    if (work.signal.aborted) return undefined;
    this.#work = null;
    if (asked.ok) return this.#over("completed", { error: null, result: asked.body });
    const none = asked.status === 404; // the job has no result
    return this.#over("completed", { error: none ? null : { kind: "result", ...statusOf(asked), message: asked.message } });
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

  /** Sends one request to a route of the job. Never rejects. */
  async #ask(what: "result" | "cancel", jobId: string, init: RequestInit, refused = false): Promise<Answer> {
    const options = this.#options;
    let url = `The job's ${what}`; // for the message, if `#url` throws
    try {
      url = this.#url(what, jobId);
      const headers = await headersOf(options, "application/json", refused);
      const response = await fetch(url, { ...init, headers, credentials: options.credentials ?? "same-origin", cache: "no-store" });
      if (response.status === 401 && typeof options.headers === "function" && !refused) return await this.#ask(what, jobId, init, true);
      const body: unknown = await response.json().catch(() => null);
      if (response.ok) return { ok: true, body };
      const recovery = await have("recovery").catch(() => null); // without it the message has the status alone
      return { ok: false, status: response.status, message: recovery?.sentenceOf(body) ?? `${url} answered ${response.status}.` };
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
