import { Fragment, memo, useRef, type CSSProperties, type ReactElement, type ReactNode } from "react";
import { useEffectBeforePaint } from "./beforePaint.js";
import { linesText, type LineLook, type PanelEntry } from "./line.js";
import { LogRow } from "./LogRow.js";

export type RenderEntry = (entry: PanelEntry, index: number) => ReactNode;

export interface LogBlockProps {
  readonly logs: readonly PanelEntry[];
  readonly start: number;
  readonly end: number;
  /** Near the view: a row for each line. Else one text with all of them. */
  readonly near: boolean;
  readonly look: LineLook;
  /** The place of the line that the page's address names, null where it is not in this block. */
  readonly linked: number | null;
  readonly renderEntry: RenderEntry | undefined;
}

/**
 * A run of lines. Out of view it is one text node, whatever it holds: every line is in the document, so that the
 * browser's own find, select-all and copy reach it, and costs next to nothing.
 */
export const LogBlock = memo(function LogBlock({ logs, start, end, near, look, linked, renderEntry }: LogBlockProps): ReactElement {
  const element = useRef<HTMLDivElement>(null);

  // By hand, not as a child: React would keep the text a second time.
  useEffectBeforePaint(() => {
    if (near) return undefined;
    const text = document.createTextNode(linesText(logs, look, false, start, end));
    element.current?.append(text);
    return () => text.remove();
  });

  return (
    <div ref={element} className="streamator-log-block" style={{ "--streamator-rows": end - start } as CSSProperties}>
      {near ? rowsOf(logs, start, end, look, linked, renderEntry) : null}
    </div>
  );
}, isSame);

/** The rows of some lines. */
export function rowsOf(
  logs: readonly PanelEntry[],
  start: number,
  end: number,
  look: LineLook,
  linked: number | null,
  renderEntry: RenderEntry | undefined,
): ReactElement[] {
  return logs.slice(start, end).map((entry, offset) => {
    const index = start + offset;
    const key = entry.line ?? offset;
    if (renderEntry) return <Fragment key={key}>{renderEntry(entry, index)}</Fragment>;
    return <LogRow key={key} entry={entry} line={entry.line ?? index + 1} look={look} linked={index === linked} />;
  });
}

/** Each publish brings a new array that holds the same entries: compare those. */
function isSame(before: LogBlockProps, after: LogBlockProps): boolean {
  if (before.near !== after.near || before.renderEntry !== after.renderEntry || before.look !== after.look) return false;
  if (linkedOffset(before) !== linkedOffset(after)) return false;
  const count = after.end - after.start;
  if (before.end - before.start !== count) return false;
  // Rows that know their place are drawn anew when it changes.
  if (before.start !== after.start && (after.renderEntry || after.logs[after.start]?.line === undefined)) return false;
  if (before.logs === after.logs && before.start === after.start) return true;
  for (let offset = 0; offset < count; offset += 1) {
    if (before.logs[before.start + offset] !== after.logs[after.start + offset]) return false;
  }
  return true;
}

function linkedOffset({ linked, start }: LogBlockProps): number | null {
  return linked === null ? null : linked - start;
}
