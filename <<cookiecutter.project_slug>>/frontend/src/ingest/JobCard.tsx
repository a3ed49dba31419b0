import { memo, useCallback, useEffect, useId, useRef, useState } from "react";
import "streamator-react/ansi";
import "streamator-react/large";
import "streamator-react/toolbar";
import { LogPanel, ProgressPanel, makeFormatEvent, useLogStream } from "streamator-react";
import type { JobState as PanelState, StreamMode } from "streamator-react";
import { announce } from "../app/announce";
import { ApiError, explain } from "../app/api";
import { CancelButton } from "../app/CancelButton";
import { useConfig } from "../app/config";
import { formatCount, formatDuration, formatWhen } from "../app/format";
import { Icon } from "../app/icons";
import { href, useQuery } from "../app/router";
import { useBackAtOnce } from "../app/useBackAtOnce";
import { cancelJob, streamUrl } from "./api";
import type { Job, Source } from "./api";
import { stageOf, stages, useProgress } from "./progress";
import { isOnItsWay, jobState } from "./jobState";
import type { JobState } from "./jobState";
import { MODES } from "./delivery";
import type { Delivery } from "./delivery";

export interface JobCardProps {
  readonly job: Job;
  readonly delivery: Delivery;
  /** Is the log shown? A closed card holds no connection. */
  readonly open: boolean;
  /** Undefined: the card is the whole page, and cannot be closed. */
  readonly onToggle?: ((job: Job, open: boolean) => void) | undefined;
  /** The log has ended, or something was done to the job: the list should look again. */
  readonly onChange: () => void;
  /** What the job can be started again with, null when that is not known. */
  readonly source: Source | null;
  readonly onAgain: (source: Source) => void;
}

/** No store takes longer to show what was logged last. */
const LAST_LINES_MS = 5_000;
/** Between two looks for a log that is not in the store yet. */
const EARLY_MS = 1_000;

export const JobCard = memo(function JobCard(props: JobCardProps) {
  const { job, delivery, open, onToggle, onChange, source, onAgain } = props;
  const store = useConfig()?.store ?? null;
  const mode = useMode(open, job.status === "running", delivery);
  const [progress, onEvent] = useProgress();
  const stream = useLogStream(mode === null ? null : streamUrl(job.job_id), { mode: mode ?? "poll", interval: 1000, formatEvent, onEvent });
  const view = mode === null ? null : { polled: stream.polled, status: stream.status, outcome: stream.outcome, error: stream.error };
  const state = jobState(job, view, store);
  const body = useId();
  const whole = onToggle === undefined;

  const ended = stream.status === "ended" || stream.status === "failed";
  useEffect(() => {
    if (ended && job.status === "running") onChange();
  }, [ended, job.status, onChange]);

  useBackAtOnce(stream);

  // Nobody may end the log of an interrupted job, and its last lines may still be on their way from the store.
  const { close } = stream;
  const abandoned = job.status === "interrupted" && stream.polled && stream.active;
  useEffect(() => {
    if (!abandoned) return;
    const timer = setTimeout(close, LAST_LINES_MS);
    return () => clearTimeout(timer);
  }, [abandoned, close]);

  const { reconnect } = stream;
  const early = isOnItsWay(job, view, store);
  useEffect(() => {
    if (!early) return;
    const timer = setTimeout(reconnect, EARLY_MS);
    return () => clearTimeout(timer);
  }, [early, reconnect]);

  useAnnouncedOutcome(job, state);

  const line = Number(useQuery("line"));
  const lineLink = useCallback((number: number) => href("/jobs/:id", { id: job.job_id }, { line: String(number) }), [job.job_id]);

  // The log says it too, in its place; here it stands for a closed log, and for one that never got that far.
  const reason = !open || (ended && state.note === null && stream.counts.error === 0) ? state.reason : null;

  const name = shortName(job.source);
  const Heading = whole ? "h1" : "h3";
  return (
    <article className="job" aria-labelledby={`${body}-name`} data-tone={state.tone} data-open={open} data-job={job.job_id}>
      <Heading className="job__title" title={job.source}>
        {whole ? (
          <Name id={`${body}-name`} name={name} />
        ) : (
          <button type="button" className="job__toggle" aria-expanded={open} aria-controls={body} onClick={() => onToggle(job, !open)}>
            <Icon name="chevron" />
            <Name id={`${body}-name`} name={name} />
          </button>
        )}
      </Heading>
      <span className={`badge badge--${state.tone}`}>{state.badge}</span>
      <p className="job__meta soft">
        <Elapsed job={job} running={state.running} />
        <span className="job__when">
          started <time translate="no" dateTime={job.created_at}>{formatWhen(job.created_at)}</time>
        </span>
        {!open && state.running && job.percent !== null && <span translate="no">{`${Math.floor(job.percent)} %`}</span>}
        {open && stream.logs.length > 0 && <Counts logs={stream.logs.length + stream.dropped} counts={stream.counts} />}
      </p>
      <div className="job__actions">
        {state.running && (
          <CancelButton name={name} cancel={() => cancelJob(job.job_id)} explainFailure={explainRefusal} onAnswer={onChange} />
        )}
        {open && !state.running && source !== null && (
          <button type="button" className="button button--plain" onClick={() => onAgain(source)}>
            <Icon name="again" />
            Run again
          </button>
        )}
        {open && !whole && (
          <a
            className="button button--plain button--icon"
            href={href("/jobs/:id", { id: job.job_id })}
            aria-label={`Open ${name} on a page of its own`}
            title="On a page of its own"
          >
            <Icon name="link" />
          </a>
        )}
        {job.document_id !== null && (
          <a className="button" href={href("/documents/:id", { id: job.document_id })} aria-label={`Read ${name}`}>
            Read
          </a>
        )}
      </div>
      <div className="job__body" id={body}>
        {reason !== null && <p className="job__reason">{reason}</p>}
        {job.partial !== null && <p className="job__partial">{job.partial}</p>}
        {open && (
          <>
            {state.note !== null && <p className={`note note--${state.tone}`}>{state.note}</p>}
            {progress !== null && (
              <ProgressPanel
                state={panelState(job, state)}
                percent={progress.percent}
                message={progress.message}
                step={stageOf(progress.step)}
                stages={stages}
                aria-label={`Progress of ${name}`}
              />
            )}
            {(stream.status !== "failed" || stream.logs.length > 0) && (
              <div className="job__log">
                <LogPanel
                  logs={stream.logs}
                  active={stream.active}
                  waitingText={waitingText(stream.status, stream.polled)}
                  maxHeight="100%"
                  ansi
                  toolbar={whole}
                  lineLinks={whole && lineLink}
                  linkedLine={whole && line > 0 ? line : null}
                  connection={whole ? stream : undefined}
                  startedAt={Date.parse(job.created_at)}
                  fileName={`${name}.log`}
                  aria-label={`Log of ${name}`}
                />
              </div>
            )}
          </>
        )}
      </div>
    </article>
  );
});

/**
 * How an open log is read; null while it is closed. A job that is over needs no stream, but its end does not change how
 * its log was read.
 */
function useMode(open: boolean, running: boolean, delivery: Delivery): StreamMode | null {
  const [mode, setMode] = useState<StreamMode | null>(null);
  const wanted = !open ? null : running ? MODES[delivery] : (mode ?? "poll");
  if (wanted !== mode) setMode(wanted);
  return wanted;
}

// The log has a line for each step too, in words of its own.
const formatEvent = makeFormatEvent({ progress: null, complete: null });

/** How the panel names what the card knows of the job. */
function panelState(job: Job, { running, tone }: JobState): PanelState {
  if (running) return tone === "bad" ? "lost" : "running";
  if (tone === "ok") return "completed";
  if (tone === "quiet") return "cancelled";
  return job.status === "interrupted" ? "lost" : "failed";
}

function waitingText(status: string, polled: boolean): string {
  if (status === "reconnecting") return "Reconnecting";
  if (status === "connecting") return "Connecting";
  return polled ? "Asking for the next lines" : "Waiting for the next line";
}

function explainRefusal(failure: unknown): string {
  const gone = failure instanceof ApiError && failure.kind === "not-found";
  return gone ? "It cannot be cancelled: the server no longer knows it." : explain(failure);
}

function Name({ id, name }: { readonly id: string; readonly name: string }) {
  return (
    <span className="job__name" id={id} translate="no">
      {name}
    </span>
  );
}

function Counts({ logs, counts }: { readonly logs: number; readonly counts: { readonly warning: number; readonly error: number } }) {
  return (
    <span className="job__counts">
      <span>{formatCount(logs, "line")}</span>
      {counts.warning > 0 && <span className="job__warnings">{`, ${formatCount(counts.warning, "warning")}`}</span>}
      {counts.error > 0 && <span className="job__errors">{`, ${formatCount(counts.error, "error")}`}</span>}
    </span>
  );
}

/** How long the job has been running, or ran. The clock is the browser's: it only has to tick, not to agree. */
function Elapsed({ job, running }: { readonly job: Job; readonly running: boolean }) {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (!running) return;
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [running]);

  const start = Date.parse(job.created_at);
  const end = job.finished_at === null ? now : Date.parse(job.finished_at);
  if (job.finished_at === null && !running) return null; // it ended, and nobody wrote down when
  return (
    <span className="job__elapsed">
      <span className="visually-hidden">{running ? "Running for " : "Took "}</span>
      <span translate="no">{formatDuration((end - start) / 1000, !running)}</span>
    </span>
  );
}

function useAnnouncedOutcome(job: Job, state: JobState): void {
  const was = useRef(state.running);
  const { running, badge } = state;
  useEffect(() => {
    if (was.current && !running) announce(`${shortName(job.source)}: ${badge.toLowerCase()}`);
    was.current = running;
  }, [running, badge, job.source]);
}

/** A URL without what every URL begins with. */
export function shortName(source: string): string {
  return source.replace(/^https?:\/\/(www\.)?/i, "").replace(/\/$/, "");
}
