import * as React from "react";
import { Fragment, memo, useRef, type CSSProperties, type ReactNode } from "react";
import { boxed, useGuard } from "../parts/guard.js";
import type { BlockText } from "./BlockText.js";
import { timeText, type LineLook, type PanelEntry } from "./line.js";
import { LogRow } from "./LogRow.js";

export type RenderEntry = (entry: PanelEntry, index: number) => ReactNode;

export interface LogRowsProps {
  readonly lines: readonly PanelEntry[];
  /** The index of the first line in the log; 0 if the rows do not use it, so that a change renders nothing. */
  readonly start: number;
  readonly look: LineLook;
  /** The number of the line to mark; null for none. */
  readonly named: number | null;
  readonly renderEntry: RenderEntry | undefined;
}

/**
 * A run of lines: as rows, or out of view as one text, by `Text`. So every line is in the document, for the browser's own
 * find, select-all and copy, and lines out of view cost almost nothing.
 */
export const LogBlock = memo(function LogBlock({ Text, ...rows }: LogRowsProps & { readonly Text: typeof BlockText | undefined }): React.ReactElement {
  const element = useRef<HTMLDivElement>(null);
  useGuard(element);
  return (
    <>
      <div
        ref={element}
        className={`streamator-log-block${Text ? " streamator-log-block--text" : ""}`}
        // As text it keeps its line breaks, also without our style sheet.
        style={{ "--streamator-rows": rows.lines.length, "--streamator-lead": Text || rows.renderEntry ? undefined : leadOf(rows), whiteSpace: Text && "pre-wrap" } as CSSProperties}
      >
        {Text ? null : <LogRows {...rows} />}
      </div>
      {Text ? <Text block={element} lines={rows.lines} look={rows.look} /> : null}
    </>
  );
});

/** The width of line numbers and times in a monospaced font. One style for the block, not one for each row. */
function leadOf({ lines, start, look }: LogRowsProps): string {
  const time = Math.max(...lines.map((entry) => columns(timeText(entry, look))));
  const number = look.links ? Math.max(4, String(lines.at(-1)?.line ?? start + lines.length).length) : 0;
  return `calc(${time + number}ch + ${(time && 8) + (number && 8)}px)`;
}

/** About how many columns of a terminal a text takes. */
function columns(text: string): number {
  return text.length + (text.match(/[\u0300-\uffff]/g)?.length ?? 0);
}

/**
 * The rows of some lines. A component, so that React removes them as one: it keeps what it removed until the parent renders
 * again, and a block out of view does not.
 */
export function LogRows({ lines, start, look, named, renderEntry }: LogRowsProps): React.ReactElement {
  return (
    <>
      {lines.map((entry, offset) => {
        const index = start + offset;
        const key = entry.line ?? offset;
        if (renderEntry) return <Fragment key={key}>{boxed(renderEntry(entry, index))}</Fragment>;
        const line = entry.line ?? index + 1;
        return <LogRow key={key} entry={entry} line={line} look={look} linked={line === named} />;
      })}
    </>
  );
}
