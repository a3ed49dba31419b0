import * as React from "react";
import { useEffect, useRef, useState } from "react";
import { HIDDEN } from "./hidden.js";
import { countLevels } from "./levels.js";
import type { PanelEntry } from "./line.js";
import type { PanelWords } from "./words.js";

/** Milliseconds between two announcements: time to hear one out. */
const EVERY = 10_000;
/** Milliseconds before the first, so that a log that comes at once is one announcement. */
const FIRST = 1_000;

interface Given {
  readonly logs: readonly PanelEntry[];
  readonly active: boolean;
  readonly words: PanelWords;
}

interface Latest extends Given {
  said: boolean;
  due: ReturnType<typeof setTimeout> | null;
}

/** Of no component: a timer that is set in one holds the lines that it was rendered with for as long as it waits. */
function say({ current: now }: { readonly current: Latest }, setText: (text: string) => void): void {
  now.due = null;
  now.said = now.logs.length > 0;
  setText(now.said ? now.words.summary(countLevels(now.logs), now.logs.length) : "");
}

/** Tells a screen reader from time to time what has come, errors first: the log itself is silent. */
export function LogSummary({ logs, active, words }: Given): React.ReactElement {
  const [text, setText] = useState("");
  const latest = useRef<Latest>({ logs, active, words, said: false, due: null });

  useEffect(() => {
    const { active: wasActive, said, due } = latest.current;
    latest.current = { logs, active, words, said, due };
    // A log that is shown after its end needs no announcement: it can be read.
    if (due === null && (active || wasActive)) latest.current.due = setTimeout(say, active && said ? EVERY : FIRST, latest, setText);
  }, [logs, active, words]);
  useEffect(
    () => () => {
      if (latest.current.due !== null) clearTimeout(latest.current.due);
      latest.current.due = null; // StrictMode runs the effects again
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
