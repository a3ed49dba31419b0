import * as React from "react";
import { Fragment, memo, useRef, type CSSProperties, type ReactNode } from "react";
import type { BlockText } from "./BlockText.js";
import { boxed, useGuard } from "./guard.js";
import { timeText, type LineLook, type PanelEntry } from "./line.js";
import { LogRow } from "./LogRow.js";

export type RenderEntry = (entry: PanelEntry, index: number) => ReactNode;

export interface LogRowsProps {
  readonly lines: readonly PanelEntry[];
  /** The place of the first of them in the log. 0 where rows have no use for it, so that a change draws nothing anew. */
  readonly start: number;
  readonly look: LineLook;
  /** The number of the line to mark; null for none. */
  readonly named: number | null;
  readonly renderEntry: RenderEntry | undefined;
}

/**
 * A run of lines: rows, or, out of view, the one `Text` that writes them, whatever the block holds. So every line is in the
 * document, for the browser's own find, select-all and copy, and one out of view costs next to nothing.
 */
export const LogBlock = memo(function LogBlock({ Text, ...rows }: LogRowsProps & { readonly Text: typeof BlockText | undefined }): React.ReactElement {
  const element = useRef<HTMLDivElement>(null);
  useGuard(element);
  return (
    <>
      <div
        ref={element}
        className={`streamator-log-block${Text ? " streamator-log-block--text" : ""}`}
        // As text it keeps its lines, also where there is no style sheet of ours.
        style={{ "--streamator-rows": rows.lines.length, "--streamator-lead": Text || rows.renderEntry ? undefined : leadOf(rows), whiteSpace: Text && "pre-wrap" } as CSSProperties}
      >
        {Text ? null : <LogRows {...rows} />}
      </div>
      {Text ? <Text block={element} lines={rows.lines} look={rows.look} /> : null}
    </>
  );
});

/** What stands before the texts, as wide as in a monospaced font. One style for the block, not one for each row. */
function leadOf({ lines, start, look }: LogRowsProps): string {
  const time = Math.max(...lines.map(({ t, seconds }) => columns(timeText(t, look, seconds))));
  const number = look.links ? Math.max(4, String(lines.at(-1)?.line ?? start + lines.length).length) : 0;
  return `calc(${time + number}ch + ${(time && 8) + (number && 8)}px)`;
}

/** Columns of a terminal, about. */
function columns(text: string): number {
  return text.length + (text.match(/[\u0300-\uffff]/g)?.length ?? 0);
}

/**
 * The rows of some lines. A component, though it has no element of its own: React remembers what was removed from a
 * parent until it renders that anew, which for a block out of view is never. So it is one thing, and not 200 rows.
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
