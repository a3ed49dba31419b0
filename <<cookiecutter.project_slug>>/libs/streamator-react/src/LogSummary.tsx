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
  const due = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const wasActive = useRef(active);
  const latest = useRef({ logs, words });

  useEffect(() => {
    latest.current = { logs, words };
    const say = (): void => {
      due.current = undefined;
      const now = latest.current;
      setText(now.logs.length === 0 ? "" : now.words.summary(countLevels(now.logs), now.logs.length));
    };
    // A log that is shown after its end needs no announcement: it can be read.
    if (active || wasActive.current) due.current ??= setTimeout(say, active && text !== "" ? EVERY : FIRST);
    wasActive.current = active;
    // oxlint-disable-next-line react-hooks/exhaustive-deps -- `text` only tells whether it is the first
  }, [logs, active, words]);
  useEffect(
    () => () => {
      clearTimeout(due.current);
      due.current = undefined; // StrictMode runs the effects again
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
