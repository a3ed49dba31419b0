import * as React from "react";
import { useEffect, useRef, useState } from "react";
import { HIDDEN } from "./hidden.js";
import { countLevels } from "./levels.js";
import type { PanelEntry } from "./line.js";
import type { LogWords } from "./words.js";

/** Milliseconds between two announcements: time to hear one out. */
const EVERY = 10_000;
/** Milliseconds before the first, so that a log that comes at once is one announcement. */
const FIRST = 1_000;

/** Tells a screen reader from time to time what has come, errors first: the log itself is silent. */
export function LogSummary({ logs, active, words }: { readonly logs: readonly PanelEntry[]; readonly active: boolean; readonly words: LogWords }): React.ReactElement {
  const [text, setText] = useState("");
  const due = useRef<ReturnType<typeof setTimeout> | null>(null);
  const latest = useRef({ logs, active, words, said: false });

  useEffect(() => {
    const { active: wasActive, said } = latest.current;
    latest.current = { logs, active, words, said };
    const say = (): void => {
      const now = latest.current;
      due.current = null;
      now.said = now.logs.length > 0;
      setText(now.said ? now.words.summary(countLevels(now.logs), now.logs.length) : "");
    };
    // A log that is shown after its end needs no announcement: it can be read.
    if (due.current === null && (active || wasActive)) due.current = setTimeout(say, active && said ? EVERY : FIRST);
  }, [logs, active, words]);
  useEffect(
    () => () => {
      if (due.current !== null) clearTimeout(due.current);
      due.current = null; // StrictMode runs the effects again
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
