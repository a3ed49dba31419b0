import { useCallback, useRef, useState } from "react";
import { explainHere } from "../app/api";
import { Icon } from "../app/icons";
import { useTitle } from "../app/title";
import type { RunParams } from "./api";
import { Composer, NO_WISH, useStreaming } from "./Composer";
import type { Wish } from "./Composer";
import { RunCard } from "./RunCard";
import { useRuns } from "./useRuns";
import type { RunItem } from "./useRuns";
import "./generation.css";

const FIRST = 10;

/** A text goes in on the left; each run is seen at work on the right, several at once. */
export function GeneratePage() {
  const [wish, setWish] = useState<Wish>(NO_WISH);
  const [streaming, setStreaming] = useStreaming();
  const runs = useRuns();
  const { start, refresh, identify, dismiss } = runs;
  const form = useRef<HTMLDivElement>(null);
  useTitle(runs.running === 0 ? "Generate" : `${runs.running} running`);

  const onStart = useCallback((params: RunParams, title: string) => start(params, title, streaming), [start, streaming]);
  const onReuse = useCallback((params: RunParams) => {
    setWish({ text: params.text, prompt: params.prompt, provider: params.options.provider, length: params.options.length });
    form.current?.scrollIntoView({ block: "nearest" });
    form.current?.querySelector("textarea")?.focus();
  }, []);

  return (
    <>
      <header className="generate-head">
        <h1>Generate</h1>
        <p className="soft">A text becomes a draft by a prompt; the draft is formatted, checked against rules, and sent back where it breaks one.</p>
      </header>
      <div className="generate">
        <div ref={form}>
          <Composer wish={wish} onWish={setWish} streaming={streaming} onStreaming={setStreaming} onStart={onStart} />
        </div>
        <section aria-labelledby="runs-heading">
          <h2 id="runs-heading">Runs</h2>
          {runs.refusals.map(({ key, title, params, message }) => (
            <div key={key} className="note note--bad run__refusal" role="alert">
              <p>{`${title}: ${message}`}</p>
              <button
                type="button"
                className="button"
                onClick={() => {
                  dismiss(key);
                  onStart(params, title);
                }}
              >
                <Icon name="again" />
                Try again
              </button>
              <button type="button" className="button button--plain" onClick={() => dismiss(key)}>
                Dismiss
              </button>
            </div>
          ))}
          <RunList
            items={runs.items}
            error={runs.error}
            streaming={streaming}
            onStarted={identify}
            onDismiss={dismiss}
            onChange={refresh}
            onReuse={onReuse}
          />
        </section>
      </div>
    </>
  );
}

interface RunListProps {
  readonly items: readonly RunItem[] | null;
  readonly error: unknown;
  readonly streaming: boolean;
  readonly onStarted: (key: string, jobId: string) => void;
  readonly onDismiss: (key: string) => void;
  readonly onChange: () => void;
  readonly onReuse: (params: RunParams) => void;
}

/** The runs, the newest first. A run that was seen running stands open; a past one is opened by its name. */
function RunList({ items, error, streaming, ...handlers }: RunListProps) {
  const [choices, setChoices] = useState<Readonly<Record<string, boolean>>>({});
  const [all, setAll] = useState(false);
  const onToggle = useCallback((key: string, open: boolean) => setChoices((before) => ({ ...before, [key]: open })), []);

  const fresh = items?.filter((item) => isRunning(item) && choices[item.key] === undefined) ?? [];
  if (fresh.length > 0) setChoices({ ...choices, ...Object.fromEntries(fresh.map(({ key }) => [key, true])) });

  if (items === null) return <p className="empty">{explainHere(error) ?? "Loading the runs"}</p>;
  if (items.length === 0) {
    return (
      <p key="none" className="empty">
        <strong>No runs yet</strong>
        Paste a text, choose a prompt, and watch the draft grow here.
      </p>
    );
  }
  const shown = items.filter((item, index) => all || index < FIRST || isRunning(item));
  return (
    <>
      <ol className="runs">
        {shown.map((item) => (
          <li key={item.key}>
            <RunCard
              item={item}
              streaming={streaming}
              open={choices[item.key] ?? false}
              onToggle={onToggle}
              {...handlers}
            />
          </li>
        ))}
      </ol>
      {shown.length < items.length && (
        <button type="button" className="button button--plain more" onClick={() => setAll(true)}>
          {`Show ${items.length - shown.length} older`}
        </button>
      )}
    </>
  );
}

function isRunning({ run }: RunItem): boolean {
  return run === null || run.status === "running";
}
