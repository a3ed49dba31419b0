"use client";

import * as React from "react";
import { CONNECTING_SNAPSHOT } from "../core/store.js";
import { followed, IDLE_JOB, JobRun } from "../job/jobRun.js";
import type { JobOptions, JobSnapshot, JobStart, RunSnapshot } from "../job/types.js";
import type { LogStream } from "../types.js";
import { useStreamDefaults } from "./streamDefaults.js";
import { useSnapshot } from "./useSnapshot.js";

export interface Job<Result = unknown> extends JobSnapshot<Result> {
  /** Starts a job and unfollows the one before, which runs on. */
  readonly start: () => void;
  /** Asks the job to stop: `cancelling` until it does, `error` if that fails. */
  readonly cancel: () => Promise<void>;
  /** Goes back to `idle` and unfollows the job, which runs on. */
  readonly reset: () => void;
  /** Its log, for a `LogPanel`. */
  readonly stream: LogStream;
}

/**
 * Starts a job, follows it and fetches its result: all that a page with one job needs.
 *
 * `start` is a function that starts the job and returns its `job_id`, or a request (`{url, body}`, a POST) whose answer
 * is the job's stream, or null to only follow the job `options.jobId`. Both arguments may change at any time.
 * Nothing starts by itself. A job runs on when the user leaves the page; `options.jobId` follows it again.
 */
export function useJob<Result = unknown>(start: JobStart | null, own: JobOptions = {}): Job<Result> {
  const options = useStreamDefaults(own);
  const wanted = options.jobId ?? null;
  const [run] = React.useState(() => new JobRun(start, options));
  React.useEffect(() => run.use(start, options)); // before the effects below, which may ask for them
  React.useEffect(() => {
    run.attach();
    return () => run.detach();
  }, [run]);
  React.useEffect(() => run.follow(wanted), [run, wanted]);

  const published = useSnapshot(run, IDLE_JOB);
  // Until the effect runs, the last job is still there.
  const snapshot = React.useMemo(
    () => (wanted === null || published.asked === wanted || published.jobId === wanted ? published : followed(wanted)),
    [published, wanted],
  );
  const actions = React.useMemo(() => ({ start: () => run.start(), cancel: () => run.cancel(), reset: () => run.reset() }), [run]);
  return React.useMemo(() => ({ ...(jobOf(snapshot) as JobSnapshot<Result>), ...actions, stream: streamOf(snapshot, run) }), [snapshot, actions, run]);
}

function jobOf({ log, asked, ...job }: RunSnapshot): JobSnapshot {
  void log;
  void asked;
  return job;
}

function streamOf({ state, log }: RunSnapshot, run: JobRun): LogStream {
  // There is no stream yet, but there will be one.
  const shown = log.status === "idle" && (state === "starting" || state === "running") ? CONNECTING_SNAPSHOT : log;
  return { ...shown, close: run.close, reconnect: run.reconnect, clear: run.clear };
}
