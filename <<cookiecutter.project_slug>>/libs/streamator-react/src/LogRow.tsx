import * as React from "react";
import { memo, type ReactNode } from "react";
import { plainText, shownLength, timeText, type LineLook, type PanelEntry } from "./line.js";

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
 * the time has some; it goes with the row, which another `time` replaces.
 */
export const LogRow = memo(function LogRow({ entry, line, look, linked }: LogRowProps): React.ReactElement {
  const { text, t, seconds, level = "info" } = entry;
  const time = timeText(t, look, seconds);
  const end = shownLength(entry, look.whole);
  const { links } = look;
  return (
    <div key={`${look.time} ${time === ""}`} className={rowClass(level, linked)}>
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
      <span className="streamator-log-text">{end < text.length ? <Cut entry={entry} end={end} look={look} /> : textNode(entry, text, look)}</span>
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

/** A long text: its beginning, and the rest, which is not laid out but there for a selection. */
function Cut({ entry, end, look }: { readonly entry: PanelEntry; readonly end: number; readonly look: LineLook }): React.ReactElement {
  return (
    <>
      <span>{textNode(entry, entry.text.slice(0, end), look)}</span>
      <span hidden>{plainText(entry.text.slice(end), look)}</span>
    </>
  );
}

/** Never without a line of its own, be it empty. */
function textNode(entry: PanelEntry, text: string, { ansi }: LineLook): ReactNode {
  const shown = ansi ? ansi.show(entry, text) : text;
  return shown.length === 0 ? <br /> : shown;
}

function rowClass(level: string, linked: boolean): string {
  const modifier = level === "info" ? "" : ` streamator-log-entry--${level}`;
  return `streamator-log-entry${modifier} log-entry log-entry--${level}${linked ? " streamator-log-entry--linked" : ""}`;
}
