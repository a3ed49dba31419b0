import * as React from "react";
import { memo } from "react";
import { levelOf } from "./formatEvent.js";
import { shownText, timeText, type LineLook, type PanelEntry } from "./line.js";

export interface LogRowProps {
  readonly entry: PanelEntry;
  /** What the line is called in links, where the entry has no number of its own. */
  readonly line: number;
  readonly look: LineLook;
  /** The line is to be marked. */
  readonly linked: boolean;
}

/**
 * One line: its number where lines are linked, its time, its text, in one line of inline boxes, as which it is copied.
 *
 * A text that changes or goes is the only child of its element, for a translator replaces text nodes: React sets the
 * text of such an element anew, and throws, or changes what is no longer shown, where a text has siblings. The blank after
 * the time has some, and an extension may wrap the button: they go with the row, which another `time` or end replaces.
 */
export const LogRow = memo(function LogRow({ entry, line, look, linked }: LogRowProps): React.ReactElement {
  const { t, seconds, level } = entry;
  const time = timeText(t, look, seconds);
  const { text, end } = shownText(entry, look);
  const { links, ansi } = look;
  const shown = ansi ? ansi.show(entry, end) : text.slice(0, end);
  return (
    <div key={`${look.time} ${time === ""} ${end < text.length}`} className={rowClass(levelOf(level), linked)}>
      {links === null ? null : (
        // Not a stop for Tab: Enter leads from the log to the links, the arrows from one to the next.
        <a className="streamator-log-line" href={links(line)} tabIndex={-1} translate="no" aria-label={look.words.line(line)}>
          {line}
        </a>
      )}
      {time === "" ? null : (
        <span className="streamator-log-time log-time" translate="no">
          {time}
        </span>
      )}
      {time === "" ? null : " "}
      <span className="streamator-log-text">
        {end < text.length ? (
          <>
            <span>{shown}</span>
            {/* Not laid out, but there for a selection. */}
            <span hidden>{text.slice(end)}</span>
          </>
        ) : shown.length === 0 ? (
          <br /> // never without a line of its own
        ) : (
          shown
        )}
      </span>
      {end < text.length ? (
        <button type="button" className="streamator-log-whole" tabIndex={-1} onClick={({ currentTarget }) => showWhole(currentTarget, entry, look)}>
          {look.words.whole(text.length)}
        </button>
      ) : null}
    </div>
  );
});

/** The button goes, and what has the focus with it. */
function showWhole(button: Element, entry: PanelEntry, look: LineLook): void {
  button.closest<HTMLElement>(".streamator-log")?.focus({ preventScroll: true });
  look.showWhole(entry);
}

function rowClass(level: string, linked: boolean): string {
  const modifier = level === "info" ? "" : ` streamator-log-entry--${level}`;
  return `streamator-log-entry${modifier} log-entry log-entry--${level}${linked ? " streamator-log-entry--linked" : ""}`;
}
