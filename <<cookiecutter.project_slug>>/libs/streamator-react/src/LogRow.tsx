import * as React from "react";
import { memo } from "react";
import { timeText, type LineLook, type PanelEntry } from "./line.js";

export interface LogRowProps {
  readonly entry: PanelEntry;
  /** What the line is called in links, where the entry has no number of its own. */
  readonly line: number;
  readonly look: LineLook;
  /** The address of the page names this line. */
  readonly linked: boolean;
}

/** One line: its number where lines are linked, its time, its text. */
export const LogRow = memo(function LogRow({ entry, line, look, linked }: LogRowProps): React.ReactElement {
  const { text, t, level = "info" } = entry;
  const time = timeText(t, look);
  return (
    <div className={rowClass(level, linked)}>
      {look.links === null ? null : (
        <a className="streamator-log-line" href={`#${look.links}${line}`} aria-label={look.linkTitle(line)}>
          {line}
        </a>
      )}
      {look.time === "off" ? null : <span className="streamator-log-time">{time}</span>}
      <span className="streamator-log-text">{look.ansi ? look.ansi.show(entry) : text}</span>
    </div>
  );
});

function rowClass(level: string, linked: boolean): string {
  const modifier = level === "info" ? "" : ` streamator-log-entry--${level}`;
  return `streamator-log-entry${modifier} log-entry--${level}${linked ? " streamator-log-entry--linked" : ""}`;
}
