import { useId, useState } from "react";
import type { ReactNode } from "react";
import "streamator-react/ansi";
import "streamator-react/large";
import { LogPanel, ProgressPanel, makeFormatEvent, useLogStream } from "streamator-react";
import { CancelButton } from "../app/CancelButton";
import { formatDuration, formatWhen } from "../app/format";
import { Icon } from "../app/icons";
import { cancelJob, logUrl } from "./api";
import type { Job } from "./api";
import type { RunningJob } from "./useStats";

/** A job that runs: where it is, and how to stop it. */
export function LiveJob({ job }: { readonly job: RunningJob }) {
  return (
    <Row job={job} running actions={<CancelButton name={job.source} cancel={() => cancelJob(job.job_id)} />}>
      <ProgressPanel
        percent={job.percent}
        message={job.step === null ? "Started" : words(job.step)}
        startedAt={job.startedAt}
        aria-label={`Progress of ${job.source}`}
      />
    </Row>
  );
}

const badges = {
  running: ["busy", "Running"],
  completed: ["ok", "Completed"],
  failed: ["bad", "Failed"],
  cancelled: ["quiet", "Cancelled"],
  interrupted: ["warn", "Interrupted"],
} as const;

/** A job that is over: how it ended, why, and what of it could not be done. */
export function EndedJob({ job }: { readonly job: Job }) {
  const [tone, badge] = badges[job.status];
  const took = job.finished_at === null ? null : (Date.parse(job.finished_at) - Date.parse(job.created_at)) / 1_000;
  return (
    <Row job={job} running={false} actions={<span className={`badge badge--${tone}`}>{badge}</span>}>
      <p className="soft row__facts">
        {took !== null && <span translate="no">{formatDuration(took, true)}</span>}
        <time translate="no" dateTime={job.created_at}>{formatWhen(job.created_at)}</time>
        {job.error !== null && <span className="row__error">{job.error}</span>}
        {job.partial !== null && <span className="row__partial">{job.partial}</span>}
      </p>
    </Row>
  );
}

interface RowProps {
  readonly job: Pick<Job, "job_id" | "kind" | "source">;
  readonly running: boolean;
  readonly actions: ReactNode;
  readonly children: ReactNode;
}

function Row({ job, running, actions, children }: RowProps) {
  const [open, setOpen] = useState(false);
  const log = useId();
  return (
    <li className="row" data-job={job.job_id}>
      <div className="row__head">
        <button type="button" className="row__toggle" aria-expanded={open} aria-controls={log} title={job.source} onClick={() => setOpen(!open)}>
          <Icon name="chevron" />
          <span className="row__name" translate="no">
            {job.source}
          </span>
        </button>
        <span className="row__kind">{job.kind}</span>
        <div className="row__actions">{actions}</div>
      </div>
      {children}
      <div id={log}>{open && <Log job={job} running={running} />}</div>
    </li>
  );
}

// A line for each step, where the job writes no log of its own.
const formatEvent = makeFormatEvent({ complete: null, draft: null, token: null });

/** The job's log. What is over is asked for once, what runs is streamed. */
function Log({ job, running }: Pick<RowProps, "job" | "running">) {
  const { logs, active, status } = useLogStream(logUrl(job.job_id), { mode: running ? "sse" : "poll", formatEvent });
  if (status === "failed") return <p className="note row__log">The log of this job is gone.</p>;
  return (
    <div className="row__log">
      <LogPanel logs={logs} active={active} ansi maxHeight="16rem" aria-label={`Log of ${job.source}`} />
    </div>
  );
}

/** "checking_cache" is "Checking cache". */
function words(step: string): string {
  const text = step.replaceAll("_", " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}
