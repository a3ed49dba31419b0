import * as React from "react";
import { useEffect, useRef, useState } from "react";
import { HIDDEN } from "../parts/hidden.js";
import { countLevels } from "./levels.js";
import { isRule, type PanelEntry } from "./line.js";
import type { PanelWords } from "./words.js";

/** Milliseconds between two announcements: enough to hear the first. */
const EVERY = 10_000;
/** Milliseconds before the first announcement, so that a log that comes at once is one announcement. */
const FIRST = 1_000;

interface Given {
  readonly logs: readonly PanelEntry[];
  readonly active: boolean;
  readonly words: PanelWords;
}

interface Latest extends Given {
  said: boolean;
  /** The first line of the last attempt that was announced. */
  began: PanelEntry | undefined;
  due: ReturnType<typeof setTimeout> | null;
}

/** Outside of the component: a timer's closure in a component would keep the lines of that render alive. */
function say({ current: now }: { readonly current: Latest }, setText: (text: string) => void): void {
  now.due = null;
  now.said = now.logs.length > 0;
  const began = now.logs.filter(isRule).at(-1);
  const news = began && began !== now.began ? `${began.text}. ` : "";
  now.began = began;
  setText(now.said ? news + now.words.summary(countLevels(now.logs), now.logs.length) : "");
}

/** Announces to screen readers from time to time that another attempt began, and how many lines came, errors first. The log itself is silent. */
export function LogSummary({ logs, active, words }: Given): React.ReactElement {
  const [text, setText] = useState("");
  const latest = useRef<Latest>({ logs, active, words, said: false, began: undefined, due: null });

  useEffect(() => {
    const { active: wasActive, said, began, due } = latest.current;
    latest.current = { logs, active, words, said, began, due };
    // A log that has ended before it is shown needs no announcement.
    if (due === null && (active || wasActive)) latest.current.due = setTimeout(say, active && said ? EVERY : FIRST, latest, setText);
  }, [logs, active, words]);
  useEffect(
    () => () => {
      if (latest.current.due !== null) clearTimeout(latest.current.due);
      latest.current.due = null; // because StrictMode runs the effects again
    },
    [],
  );

  return (
    // oxlint-disable-next-line jsx-a11y/prefer-tag-over-role -- an output is the result of a form
    <div role="status" className="streamator-log-summary" style={HIDDEN}>
      {text}
    </div>
  );
}
