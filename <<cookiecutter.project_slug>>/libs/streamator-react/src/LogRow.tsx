import { memo, type ReactElement } from "react";

/** The least that a line needs to be shown. `useLogStream`'s entries have it, and so may your own. */
export interface PanelEntry {
  readonly text: string;
  /** Seconds, shown as "12.3s"; a string is shown as it is. */
  readonly t?: number | string | null;
  readonly level?: string;
  /** A number that stays with the line, so that dropping old lines does not render the others anew. */
  readonly line?: number;
}

/** One line: its time, and its text as it is. */
export const LogRow = memo(function LogRow({ entry }: { readonly entry: PanelEntry }): ReactElement {
  return (
    <div className={rowClass(entry.level ?? "info")}>
      <span className="streamator-log-time">{timeText(entry.t)}</span>
      <span className="streamator-log-text">{entry.text}</span>
    </div>
  );
});

function rowClass(level: string): string {
  const modifier = level === "info" ? "" : ` streamator-log-entry--${level}`;
  return `streamator-log-entry${modifier} log-entry--${level}`;
}

export function timeText(t: PanelEntry["t"]): string {
  return typeof t === "number" ? `${t.toFixed(1)}s` : (t ?? "");
}
