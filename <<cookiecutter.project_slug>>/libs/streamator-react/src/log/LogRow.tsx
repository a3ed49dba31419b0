import * as React from "react";
import { memo } from "react";
import { levelOf } from "../core/formatEvent.js";
import { isRule, shownText, timeText, type LineLook, type PanelEntry } from "./line.js";

export interface LogRowProps {
  readonly entry: PanelEntry;
  /** The line's number, for links. */
  readonly line: number;
  readonly look: LineLook;
  /** Whether to mark the line. */
  readonly linked: boolean;
}

/**
 * One line: its number if lines are linked, its time and its text. They are inline boxes, so that they are copied as one line.
 * The first line of an attempt is a rule.
 *
 * A translator replaces text nodes, and React cannot update a text node that is gone. If a text is the only child of its
 * element, React sets the element's text instead, which works. So each text that may change has an element of its own. The
 * blank after the time and the button have none: they change with the row's key.
 */
export const LogRow = memo(function LogRow({ entry, line, look, linked }: LogRowProps): React.ReactElement {
  const time = timeText(entry, look);
  const { text, end } = shownText(entry, look);
  const { links, ansi } = look;
  const shown = ansi ? ansi.show(entry, end) : text.slice(0, end);
  const rule = isRule(entry);
  return (
    <div
      key={`${look.time} ${time === ""} ${end < text.length}`}
      className={`${rowClass(levelOf(entry.level), linked)}${rule ? " streamator-log-attempt" : ""}`}
      role={rule ? "separator" : undefined}
      aria-label={rule ? text : undefined}
    >
      {links === null || rule ? null : (
        // No stop for Tab: see useKeys.
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
          <br /> // an empty line keeps its height
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

/** Shows the whole line. The button goes, so the log gets its focus. */
function showWhole(button: Element, entry: PanelEntry, look: LineLook): void {
  button.closest<HTMLElement>(".streamator-log")?.focus({ preventScroll: true });
  look.showWhole(entry);
}

function rowClass(level: string, linked: boolean): string {
  const modifier = level === "info" ? "" : ` streamator-log-entry--${level}`;
  return `streamator-log-entry${modifier} log-entry log-entry--${level}${linked ? " streamator-log-entry--linked" : ""}`;
}
