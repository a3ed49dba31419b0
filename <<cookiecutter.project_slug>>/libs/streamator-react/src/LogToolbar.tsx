import * as React from "react";
import type { Ref } from "react";
import type { LevelCounts } from "./levels.js";
import type { LogTime } from "./line.js";
import { TextActions } from "./TextActions.js";
import type { LogWords } from "./words.js";

export const LEVELS = ["error", "warning", "success", "info"] as const;

const compact = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 });

export interface LogToolbarProps {
  readonly words: LogWords;
  readonly input: Ref<HTMLInputElement>;
  readonly query: string;
  readonly onQuery: (query: string) => void;
  /** Lines that match, and which of them is shown (from 1; 0: none yet). */
  readonly found: number;
  readonly current: number;
  readonly onStep: (by: 1 | -1) => void;
  /** Back to the log, from the find field. */
  readonly onLeave: () => void;
  readonly counts: LevelCounts;
  readonly hidden: readonly string[];
  readonly onHidden: (hidden: readonly string[]) => void;
  readonly time: LogTime;
  readonly times: readonly LogTime[];
  readonly onTime: (time: LogTime) => void;
  /** Null where lines cannot wrap. */
  readonly wrap: boolean | null;
  readonly onWrap: (wrap: boolean) => void;
  /** All lines as text. */
  readonly text: () => string;
  readonly fileName: string;
}

/** What can be done with a log: find, filter, choose what is shown, take it along. */
export function LogToolbar(props: LogToolbarProps): React.ReactElement {
  const { words, input, query, onQuery, found, current, onStep, onLeave, counts, hidden, onHidden, time, times, onTime, wrap, onWrap, text, fileName } = props;

  return (
    <div className="streamator-log-toolbar">
      <div className="streamator-log-find">
        <input
          ref={input}
          type="search"
          value={query}
          placeholder={words.find}
          aria-label={words.find}
          onChange={(event) => onQuery(event.target.value)}
          onKeyDown={(event) => {
            if (event.key === "Enter") onStep(event.shiftKey ? -1 : 1);
            else if (event.key === "Escape") onLeave();
            else return;
            event.preventDefault();
          }}
        />
        <output translate="no">{query === "" ? "" : words.matches(current, found)}</output>
        <button type="button" aria-label={words.previous} title={words.previous} disabled={found === 0} onClick={() => onStep(-1)}>
          ↑
        </button>
        <button type="button" aria-label={words.next} title={words.next} disabled={found === 0} onClick={() => onStep(1)}>
          ↓
        </button>
      </div>
      {/* oxlint-disable-next-line jsx-a11y/prefer-tag-over-role -- a fieldset brings looks that each page sets anew */}
      <div className="streamator-log-levels" role="group" aria-label={words.levels}>
        {LEVELS.map((level) => {
          const count = counts[level] ?? 0;
          const shown = !hidden.includes(level);
          return (
            <button
              key={level}
              type="button"
              className={`streamator-log-level streamator-log-level--${level}`}
              translate="no"
              aria-pressed={shown}
              aria-label={`${words.level(level)} ${count}`}
              title={`${words.level(level)} ${count.toLocaleString()}`}
              onClick={() => onHidden(shown ? [...hidden, level] : hidden.filter((other) => other !== level))}
            >
              {compact.format(count)}
            </button>
          );
        })}
      </div>
      <div className="streamator-log-actions">
        <button type="button" aria-label={`${words.time}: ${words[time]}`} title={words.time} onClick={() => onTime(times[(times.indexOf(time) + 1) % times.length] as LogTime)}>
          {words[time]}
        </button>
        {wrap === null ? null : (
          <button type="button" aria-pressed={wrap} onClick={() => onWrap(!wrap)}>
            {words.wrap}
          </button>
        )}
        <TextActions text={text} fileName={fileName} words={words} />
      </div>
    </div>
  );
}
