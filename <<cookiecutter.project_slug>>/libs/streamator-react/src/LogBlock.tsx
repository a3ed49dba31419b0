import { Fragment, memo, useRef, type CSSProperties, type ReactElement, type ReactNode } from "react";
import { useEffectBeforePaint } from "./beforePaint.js";
import { LogRow, timeText, type PanelEntry } from "./LogRow.js";

export interface LogBlockProps {
  readonly logs: readonly PanelEntry[];
  readonly start: number;
  readonly end: number;
  /** Near the view: a row for each line. Else one text with all of them. */
  readonly near: boolean;
  readonly renderEntry: ((entry: PanelEntry, index: number) => ReactNode) | undefined;
}

/**
 * A run of lines. Out of view it is one text node, whatever it holds: every line is in the document, so that the
 * browser's own find, select-all and copy reach it, and costs next to nothing.
 */
export const LogBlock = memo(function LogBlock({ logs, start, end, near, renderEntry }: LogBlockProps): ReactElement {
  const element = useRef<HTMLDivElement>(null);
  const rows = logs.slice(start, end);

  // By hand, not as a child: React would keep the text a second time.
  useEffectBeforePaint(() => {
    if (near) return undefined;
    const text = document.createTextNode(blockText(logs, start, end));
    element.current?.append(text);
    return () => text.remove();
  });

  return (
    <div ref={element} className="streamator-log-block" style={{ "--streamator-rows": rows.length } as CSSProperties}>
      {near
        ? rows.map((entry, offset) =>
            renderEntry ? (
              <Fragment key={entry.line ?? offset}>{renderEntry(entry, start + offset)}</Fragment>
            ) : (
              <LogRow key={entry.line ?? offset} entry={entry} />
            ),
          )
        : null}
    </div>
  );
}, isSame);

/** Each publish brings a new array that holds the same entries: compare those. */
function isSame(before: LogBlockProps, after: LogBlockProps): boolean {
  if (before.near !== after.near || before.renderEntry !== after.renderEntry) return false;
  if (after.renderEntry && before.start !== after.start) return false; // its rows know their index
  const count = after.end - after.start;
  if (before.end - before.start !== count) return false;
  if (before.logs === after.logs && before.start === after.start) return true;
  for (let offset = 0; offset < count; offset += 1) {
    if (before.logs[before.start + offset] !== after.logs[after.start + offset]) return false;
  }
  return true;
}

function blockText(logs: readonly PanelEntry[], start: number, end: number): string {
  let text = "";
  for (let index = start; index < end; index += 1) {
    const entry = logs[index] as PanelEntry;
    text += `${timeText(entry.t)} ${entry.text}\n`;
  }
  return text;
}
