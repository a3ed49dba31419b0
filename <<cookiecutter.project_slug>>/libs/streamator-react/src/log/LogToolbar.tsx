import * as React from "react";
import { useMemo, useRef, useState } from "react";
import { useListener } from "../hooks/useLatest.js";
import { guard } from "../parts/guard.js";
import { TextActions } from "../parts/TextActions.js";
import { useMarks } from "./highlight.js";
import type { Plan } from "./large.js";
import { makeAttemptList } from "./attemptList.js";
import { makeLevelCounter } from "./levelCounter.js";
import type { LogTime, PanelEntry } from "./line.js";
import { goTo, type PanelState } from "./panel.js";
import { Finder, step } from "./search.js";
import { linesText } from "./text.js";
import { type LogWords, TOOL_WORDS } from "./toolWords.js";
import { number, type PanelWords } from "./words.js";

const LEVELS = ["error", "warning", "success", "info"] as const;

/** What the reader has chosen; null: as the panel's props say. */
export interface LogChoice {
  readonly time: LogTime | null;
  readonly wrap: boolean | null;
  /** The levels to hide. */
  readonly hidden: readonly string[];
  /** The attempt that is shown alone. */
  readonly attempt: number | null;
}

export interface LogToolbarProps {
  readonly panel: PanelState;
  /** Null until it is loaded. */
  readonly plan: Plan | null;
  readonly words: PanelWords & Partial<LogWords>;
  /** All lines of the attempts that are shown, also hidden ones. */
  readonly logs: readonly PanelEntry[];
  /** The lines of all attempts. */
  readonly all: readonly PanelEntry[];
  readonly choice: LogChoice;
  readonly onChoice: (choice: LogChoice) => void;
  readonly fileName: string;
}

/** The tools of a log: find, filter by attempt and by level, time, wrap, copy and download. */
export function LogToolbar({ panel, plan, words: ownWords, logs, all, choice, onChoice, fileName }: LogToolbarProps): React.ReactElement {
  const { scroller, shown, look, wrap, windowed, target } = panel;
  const words = { ...TOOL_WORDS, ...ownWords };
  const current = useMemo(() => (target ? shown.indexOf(target.entry) : -1), [shown, target]);
  const field = useRef<HTMLInputElement>(null);

  const [finder] = useState(() => new Finder());
  const [query, setQuery] = useState("");
  const matches = useMemo(() => finder.find(shown, query, look.ansi), [finder, shown, query, look.ansi]);
  const stepBy = (by: 1 | -1): void => goTo(panel, step(matches, current === -1 && by === -1 ? shown.length : current, by));

  const [count] = useState(makeLevelCounter);
  const counts = useMemo(() => count(logs), [count, logs]);
  const { hidden } = choice;
  const [list] = useState(makeAttemptList);
  const attempts = useMemo(() => list(all), [list, all]);

  const times: readonly LogTime[] = look.startedAt === null ? ["elapsed", "off"] : ["elapsed", "wall", "off"];
  const nextTime = times[(times.indexOf(look.time) + 1) % times.length] as LogTime;

  // Shortcuts while the log has the focus.
  useListener(scroller, "keydown", (event: KeyboardEvent) => {
    const { key, ctrlKey, metaKey, altKey, target: focused } = event;
    if (ctrlKey || metaKey || altKey || focused !== scroller.current) return;
    if (key === "/") {
      event.preventDefault(); // Firefox would open its quick find
      field.current?.focus();
      field.current?.select();
    } else if ((key === "n" || key === "p") && query !== "") stepBy(key === "n" ? 1 : -1);
  });

  useMarks(panel, plan, query, current);

  return (
    <div ref={guard} className="streamator-log-toolbar">
      <div className="streamator-log-find">
        <input
          ref={field}
          type="search"
          value={query}
          placeholder={words.find}
          aria-label={words.find}
          onChange={(event) => setQuery(event.target.value)}
          onKeyDown={(event) => {
            if (event.key === "Enter") stepBy(event.shiftKey ? -1 : 1);
            else if (event.key === "Escape") scroller.current?.focus();
            else return;
            event.preventDefault();
          }}
        />
        <output translate="no">{query === "" ? "" : words.matches(matches.indexOf(current) + 1, matches.length)}</output>
        <button type="button" aria-label={words.previous} title={words.previous} disabled={matches.length === 0} onClick={() => stepBy(-1)}>
          ↑
        </button>
        <button type="button" aria-label={words.next} title={words.next} disabled={matches.length === 0} onClick={() => stepBy(1)}>
          ↓
        </button>
      </div>
      {attempts.length > 1 ? (
        <select
          ref={guard}
          className="streamator-log-attempts"
          aria-label={words.attempts}
          value={choice.attempt ?? ""}
          onChange={({ target: { value } }) => onChoice({ ...choice, attempt: value === "" ? null : Number(value) })}
        >
          <option value="">{words.allAttempts}</option>
          {attempts.map(({ attempt, text }) => (
            <option key={attempt} value={attempt}>
              {text ?? words.attempt(attempt)}
            </option>
          ))}
        </select>
      ) : null}
      {/* oxlint-disable-next-line jsx-a11y/prefer-tag-over-role -- a fieldset brings looks that each page sets anew */}
      <div className="streamator-log-levels" role="group" aria-label={words.levels}>
        {LEVELS.map((level) => {
          const lines = counts[level] ?? 0;
          const pressed = !hidden.includes(level);
          return (
            <button
              key={level}
              type="button"
              className={`streamator-log-level streamator-log-level--${level}`}
              translate="no"
              aria-pressed={pressed}
              onClick={() => onChoice({ ...choice, hidden: pressed ? [...hidden, level] : hidden.filter((other) => other !== level) })}
            >
              {`${number(lines)} ${words.level(level, lines)}`}
            </button>
          );
        })}
      </div>
      <div className="streamator-log-actions">
        <button type="button" aria-label={`${words.time}: ${words[look.time]}`} title={words.time} onClick={() => onChoice({ ...choice, time: nextTime })}>
          {words[look.time]}
        </button>
        {windowed ? null : (
          <button type="button" aria-pressed={wrap} onClick={() => onChoice({ ...choice, wrap: !wrap })}>
            {words.wrap}
          </button>
        )}
        <TextActions text={() => linesText(logs, look)} fileName={fileName} words={words} />
      </div>
    </div>
  );
}
