import { memo, useEffect, useId, useMemo, useRef } from "react";
import type { ReactNode } from "react";
import { Markdown } from "markdown-to-jsx/react";
import { DraftPanel, ProgressPanel, useJob } from "streamator-react";
import type { Job } from "streamator-react";
import { announce } from "../app/announce";
import { CancelButton } from "../app/CancelButton";
import { explainHere } from "../app/api";
import { formatCount, formatDuration, formatWhen } from "../app/format";
import { Icon } from "../app/icons";
import { useResource } from "../app/resource";
import { useBackAtOnce } from "../app/useBackAtOnce";
import { cancelRun, debugEvent, followOptions, getRun, startRequest } from "./api";
import type { RunMetadata, RunParams } from "./api";
import { readEvents, runBadge } from "./runView";
import type { RunEvents } from "./runView";
import type { RunItem } from "./useRuns";

export interface RunCardProps {
  readonly item: RunItem;
  /** Whether a run that is not over is followed. */
  readonly streaming: boolean;
  readonly open: boolean;
  readonly onToggle: (key: string, open: boolean) => void;
  readonly onStarted: (key: string, jobId: string) => void;
  readonly onDismiss: (key: string) => void;
  /** It has ended, or something was done to it: the list should look again. */
  readonly onChange: () => void;
  /** Puts what it was asked for into the form. */
  readonly onReuse: (params: RunParams) => void;
}

/** One run: how far it is, its draft as it grows, and what came of it. */
export const RunCard = memo(function RunCard(props: RunCardProps) {
  const { item, streaming, open, onToggle, onStarted, onDismiss, onChange, onReuse } = props;
  const { key, run, params, title } = item;
  const over = run !== null && run.status !== "running";

  const start = useMemo(() => (params === null ? null : startRequest(params)), [params]);
  // The log of an interrupted run has no end that could be waited for.
  const follows = params === null && open && (over ? run.status !== "interrupted" : streaming);
  const job = useJob(start, { ...followOptions, jobId: follows ? item.jobId : null, onEvent: debugEvent });
  const { state, stream } = job;
  const seen = useMemo(() => readEvents(job.events), [job.events]);
  const followed = state === "idle" ? null : { state, status: stream.status };
  const badge = runBadge(run?.status ?? null, followed);

  useStart(job, params !== null);

  const { jobId: told } = job;
  useEffect(() => {
    if (params !== null && told !== null && item.jobId === null) onStarted(key, told);
  }, [params, told, item.jobId, key, onStarted]);

  const ended = state === "completed" || state === "failed" || state === "cancelled";
  useEffect(() => {
    if (ended) onChange();
  }, [ended, onChange]);

  useBackAtOnce(stream);

  const { running } = badge;
  useAnnouncedEnd(title, badge.text, running);

  const body = useId();
  const refused = job.error?.kind === "start" ? job.error.message : null;
  return (
    <article className="run" aria-labelledby={`${body}-title`} data-open={open} data-job={item.jobId ?? undefined}>
      <h3 className="run__title">
        <button type="button" className="run__toggle" aria-expanded={open} aria-controls={body} onClick={() => onToggle(key, !open)}>
          <Icon name="chevron" />
          <span className="run__name" id={`${body}-title`}>
            {title}
          </span>
        </button>
      </h3>
      <span className={`badge badge--${badge.tone}`}>{badge.text}</span>
      <p className="run__meta soft">
        {run !== null && (
          <>
            <time translate="no" dateTime={run.created_at}>{formatWhen(run.created_at)}</time>
            {run.words !== null && <span>{formatCount(run.words, "word")}</span>}
          </>
        )}
      </p>
      <div className="run__actions">
        {running && <Cancel job={job} jobId={item.jobId} title={title} onChange={onChange} />}
      </div>
      <div className="run__body" id={body} hidden={!open}>
        {refused !== null ? (
          <div className="note note--bad run__refusal" role="alert">
            <p>{refused}</p>
            <button type="button" className="button" onClick={() => job.start()}>
              <Icon name="again" />
              Try again
            </button>
            <button type="button" className="button button--plain" onClick={() => onDismiss(key)}>
              Dismiss
            </button>
          </div>
        ) : (
          open && <Body item={item} job={job} seen={seen} over={over || ended} onReuse={onReuse} />
        )}
      </div>
    </article>
  );
});

interface BodyProps {
  readonly item: RunItem;
  readonly job: Job;
  readonly seen: RunEvents;
  readonly over: boolean;
  readonly onReuse: (params: RunParams) => void;
}

function Body({ item, job, seen, over, onReuse }: BodyProps) {
  const { state, progress, draft } = job;
  const stages = useMemo(() => [...STAGES.slice(0, 4), ...(seen.retried ? [RETRY] : []), ...STAGES.slice(4)], [seen.retried]);
  const active = state === "starting" || state === "running";
  const name = fileName(item.title);
  const gone = state === "lost" && job.progress === null; // its log is not kept any more
  return (
    <>
      {state === "idle" || gone || (over && seen.stage === null) ? (
        !over && <ProgressPanel message="Working. The result comes as a whole: streaming is off." aria-label={`Progress of ${item.title}`} />
      ) : (
        <ProgressPanel
          state={state}
          percent={progress?.percent ?? null}
          message={progress?.message}
          step={seen.stage}
          stages={stages}
          startedAt={job.startedAt}
          endedAt={job.endedAt}
          aria-label={`Progress of ${item.title}`}
        />
      )}
      {job.error !== null && job.error.kind !== "job" && !gone && <p className="note note--bad">{job.error.message}</p>}
      {seen.reasoning !== "" && (
        <details className="run__draft">
          <summary>Reasoning</summary>
          <DraftPanel text={seen.reasoning} active={active} title="Reasoning" fileName={`${name}-reasoning.txt`} maxHeight="20rem" aria-label={`Reasoning of ${item.title}`} />
        </details>
      )}
      {seen.complete === null && !gone && (active || draft !== "") && (
        <DraftPanel text={draft} active={active} title="Draft" fileName={`${name}-draft.md`} maxHeight="20rem" aria-label={`Draft of ${item.title}`} />
      )}
      {seen.complete !== null && (
        <>
          <Result title={item.title} output={seen.complete.output} metadata={seen.complete.metadata} />
          <details className="run__draft">
            <summary>The draft as text</summary>
            <DraftPanel text={draft} active={false} title="Draft" fileName={`${name}-draft.md`} maxHeight="20rem" aria-label={`Draft of ${item.title}`} />
          </details>
        </>
      )}
      {over && item.jobId !== null && <Kept item={item} jobId={item.jobId} shown={seen.stage !== null} onReuse={onReuse} />}
    </>
  );
}

/** What the server keeps of a run that is over: what came of it, where its log does not show it, and what was asked for. */
function Kept({ item, jobId, shown, onReuse }: { readonly item: RunItem; readonly jobId: string; readonly shown: boolean; readonly onReuse: (params: RunParams) => void }) {
  const { data, error } = useResource(`run:${jobId}:${item.run?.status}`, (signal) => getRun(jobId, signal));
  if (data === null) return error === null ? null : <p className="note">{explainHere(error)}</p>;
  return (
    <>
      {!shown && data.output !== null && data.metadata !== null && <Result title={item.title} output={data.output} metadata={data.metadata} />}
      {!shown && data.error !== null && <p className="note note--bad">{data.error}</p>}
      <p>
        <button
          type="button"
          className="button button--plain"
          onClick={() => onReuse({ text: data.text, prompt: data.prompt, options: { provider: data.provider, length: data.length } })}
        >
          <Icon name="again" />
          Use this text again
        </button>
      </p>
    </>
  );
}

function Result({ title, output, metadata }: { readonly title: string; readonly output: string; readonly metadata: RunMetadata }) {
  // An event leaves out what there is nothing of, and a log may be older than what is told now.
  const { input_tokens, output_tokens, price, warnings = [] } = metadata;
  const tokens = [typeof input_tokens === "number" && `${input_tokens.toLocaleString()} in`, typeof output_tokens === "number" && `${output_tokens.toLocaleString()} out`];
  return (
    <>
      <DraftPanel
        text={output}
        active={false}
        title="Output"
        fileName={`${fileName(title)}.md`}
        maxHeight="32rem"
        renderText={renderMarkdown}
        aria-label={`Output of ${title}`}
      />
      <dl className="facts">
        <Fact name="Written by" value={`${metadata.provider}, ${metadata.model}`} translate="no" />
        <Fact name="Length" value={`${formatCount(metadata.words, "word")} of ${metadata.source_words.toLocaleString()}`} />
        <Fact name="Drafts" value={metadata.attempts} />
        <Fact name="Time" value={formatDuration(metadata.seconds, true)} translate="no" />
        {tokens.some(Boolean) && <Fact name="Tokens" value={tokens.filter(Boolean).join(", ")} />}
        {typeof price === "number" && <Fact name="Price" value={price.toLocaleString(undefined, { maximumSignificantDigits: 3 })} translate="no" />}
        {warnings.length > 0 && <Fact name="Warnings" value={warnings.join(" ")} />}
        {metadata.problems.length > 0 && <Fact name="Problems" value={metadata.problems.join(" ")} />}
      </dl>
    </>
  );
}

function Fact({ name, value, translate }: { readonly name: string; readonly value: string | number; readonly translate?: "no" }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd translate={translate}>{value}</dd>
    </div>
  );
}

/** A run that is followed here is cancelled by what follows it, any other by its id. */
function Cancel({ job, jobId, title, onChange }: { readonly job: Job; readonly jobId: string | null; readonly title: string; readonly onChange: () => void }) {
  if (job.state !== "idle" || jobId === null) return <CancelButton name={title} cancel={job.cancel} cancelling={job.cancelling} />;
  return <CancelButton name={title} cancel={() => cancelRun(jobId)} onAnswer={onChange} />;
}

/** Starts a run that was asked for here, once its card is there. */
function useStart({ start }: Job, wanted: boolean): void {
  useEffect(() => {
    if (wanted) start();
  }, [start, wanted]);
}

function useAnnouncedEnd(title: string, badge: string, running: boolean): void {
  const was = useRef(running);
  useEffect(() => {
    if (was.current && !running) announce(`${title}: ${badge.toLowerCase()}`);
    was.current = running;
  }, [title, badge, running]);
}

const RETRY = { id: "retry", label: "Again", icon: <Icon name="again" /> };
const STAGES = [
  { id: "load_prompts", label: "Prompt", icon: <Icon name="document" /> },
  { id: "generator", label: "Draft", icon: <Icon name="pen" /> },
  { id: "formatter", label: "Format", icon: <Icon name="lines" /> },
  { id: "validator", label: "Check", icon: <Icon name="search" /> },
  { id: "done", label: "Done", icon: <Icon name="check" /> },
];

/** What was written, as a page. Its text may be anybody's: no HTML, and nothing is loaded from elsewhere. */
function renderMarkdown(text: string): ReactNode {
  return (
    <Markdown key={text} className="prose" options={MARKDOWN}>
      {text}
    </Markdown>
  );
}

const MARKDOWN = {
  forceBlock: true,
  disableParsingRawHTML: true,
  overrides: {
    a: { props: { target: "_blank", rel: "noreferrer" } },
    img: ({ alt }: { readonly alt?: string }) => <span>{alt}</span>,
    // The page and the card have the headings above these.
    h1: "h4",
    h2: "h4",
    h3: "h5",
  },
} as const;

/** "Summary of “The sea”" is "summary-of-the-sea". */
export function fileName(title: string): string {
  const name = title.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "");
  return name.slice(0, 60).replace(/-$/, "") || "run";
}
