import type { JobAttempt, LogSnapshot, LogStreamOptions, StreamEvent } from "../types.js";
import type { JobProgress } from "./reducers.js";

/**
 * - `idle` not started
 * - `starting` the request that starts it is under way
 * - `running` it has an id, or its stream is open, or its result is being fetched
 * - `completed`, `failed`, `cancelled` over
 * - `lost` its process died, or its stream failed for good: see `error`; `running` again at the next attempt
 */
export type JobState = "idle" | "starting" | "running" | "completed" | "failed" | "cancelled" | "lost";

/**
 * - `start` it could not be started
 * - `job` it failed; the message is its last error event's
 * - `stream` its stream failed for good
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

/** A function that starts a job and returns its id, or a request that does. `signal` aborts when the start is called off. */
export type JobStart = ((signal: AbortSignal) => Promise<{ readonly job_id: string }>) | JobRequest;

export interface JobOptions
  extends Pick<LogStreamOptions, "mode" | "interval" | "formatEvent" | "onEvent" | "maxEntries" | "headers" | "signUrl" | "credentials" | "timeout"> {
  /** The job to follow from its first event, for instance one that was started before a reload. Another id is another job. */
  jobId?: string | null;
  /** The path before `/{job_id}/stream`, `/result` and `/cancel`. Default `"/job"`. */
  prefix?: string;
  /** Default `{prefix}/{job_id}/stream`. */
  streamUrl?: (jobId: string) => string;
  /** Fetched once the job has completed, unless its `complete` event had the result. Null: the job has no result. */
  resultUrl?: ((jobId: string) => string) | null;
  /** Default `{prefix}/{job_id}/cancel`; gets a POST. */
  cancelUrl?: (jobId: string) => string;
}

/** One published state of a job. Immutable. */
export interface JobSnapshot<Result = unknown> {
  readonly state: JobState;
  /** Null until the server names it. */
  readonly jobId: string | null;
  /** The number of the attempt that runs, or ran last. */
  readonly attempt: number;
  /**
   * All attempts that events have told of, in order; the first one says nothing of itself. At a new attempt `progress`,
   * `draft`, `result`, `error` and `endedAt` begin anew: what the dead one had is not what the new one has. `events`, the
   * log and `startedAt` are of all attempts.
   */
  readonly attempts: readonly JobAttempt[];
  /** The newest `maxEntries` events, in order. */
  readonly events: readonly StreamEvent[];
  /** The attempt's last progress; null before its first `progress` event. */
  readonly progress: JobProgress | null;
  /** The attempt's text so far: the last `draft` event's, and the `token`s since. */
  readonly draft: string;
  /** The `complete` event, else the answer of `resultUrl`; null before that, and without a result. */
  readonly result: Result | null;
  readonly error: JobError | null;
  /** Whether the job was asked to stop and has not ended yet. */
  readonly cancelling: boolean;
  /**
   * When the job (its first attempt) began, in milliseconds by this browser's clock. For a job that is followed by its id: null until events
   * come live, because replayed events do not tell when they were made.
   */
  readonly startedAt: number | null;
  /** When the job ended, by the same clock; null if unknown, for instance if the job had ended before it was followed. */
  readonly endedAt: number | null;
}

export interface RunSnapshot extends JobSnapshot {
  readonly log: LogSnapshot;
  /** The `jobId` option that this snapshot is for. */
  readonly asked: string | null;
}
