"use client";

import * as React from "react";
import { followed, IDLE_JOB, JobRun, type JobOptions, type JobSnapshot, type JobStart, type RunSnapshot } from "./jobRun.js";
import { useStreamDefaults } from "./streamDefaults.js";
import { CONNECTING_SNAPSHOT } from "./store.js";
import type { LogStream } from "./types.js";
import { useSnapshot } from "./useSnapshot.js";

export interface Job<Result = unknown> extends JobSnapshot<Result> {
  /** Starts it. A job that runs is let go first: it goes on, unseen. */
  readonly start: () => void;
  /** Asks it to stop: `cancelling` until it has, `error` where it could not be asked. */
  readonly cancel: () => Promise<void>;
  /** Back to `idle`. A job that runs goes on, unseen. */
  readonly reset: () => void;
  /** Its log, for a `LogPanel`. */
  readonly stream: LogStream;
}

/**
 * Starts a job, follows it, and fetches its result: all of a page with one job in one hook.
 *
 * `start` is a function that starts the job and gives its `job_id`, or a request (`{url, body}`, a POST) that is
 * answered with the job's stream; null to only follow the job of `options.jobId`. Both may change at any time.
 * Nothing starts by itself. A job goes on when the page is left; with `options.jobId` it is found again.
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
  // Until the effect has run, the job before is still there.
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
  // Something is to come, though there is no stream to connect to yet.
  const shown = log.status === "idle" && (state === "starting" || state === "running") ? CONNECTING_SNAPSHOT : log;
  return { ...shown, close: run.close, reconnect: run.reconnect, clear: run.clear };
}
