import * as React from "react";
import { Fragment, memo, useRef, type CSSProperties, type ReactNode } from "react";
import { useEffectBeforePaint } from "./beforePaint.js";
import { linesText, type LineLook, type PanelEntry } from "./line.js";
import { LogRow } from "./LogRow.js";

export type RenderEntry = (entry: PanelEntry, index: number) => ReactNode;

export interface LogRowsProps {
  readonly lines: readonly PanelEntry[];
  /** The place of the first of them in the log. 0 where rows have no use for it, so that a change draws nothing anew. */
  readonly start: number;
  readonly look: LineLook;
  /** Which of these lines the page's address names; -1 for none. */
  readonly linked: number;
  readonly renderEntry: RenderEntry | undefined;
}

/**
 * A run of lines: rows where it is `near` the view, else one text node, whatever it holds. So every line is in the
 * document, for the browser's own find, select-all and copy, and one out of view costs next to nothing.
 */
export const LogBlock = memo(function LogBlock({ near, ...rows }: LogRowsProps & { readonly near: boolean }): React.ReactElement {
  const element = useRef<HTMLDivElement>(null);
  const { lines, look } = rows;

  // By hand, not as a child: React would keep the text a second time.
  useEffectBeforePaint(() => {
    if (near) return undefined;
    const text = document.createTextNode(linesText(lines, look));
    element.current?.append(text);
    return () => text.remove();
  }, [near, lines, look]);

  return (
    <div
      ref={element}
      className={near ? "streamator-log-block" : "streamator-log-block streamator-log-block--text"}
      style={{ "--streamator-rows": lines.length } as CSSProperties}
    >
      {near ? <LogRows {...rows} /> : null}
    </div>
  );
});

/**
 * The rows of some lines. A component, though it has no element of its own: React remembers what was removed from a
 * parent until it renders that anew, which for a block out of view is never. So it is one thing, and not 200 rows.
 */
export function LogRows({ lines, start, look, linked, renderEntry }: LogRowsProps): React.ReactElement {
  return (
    <>
      {lines.map((entry, offset) => {
        const index = start + offset;
        const key = entry.line ?? offset;
        if (renderEntry) return <Fragment key={key}>{renderEntry(entry, index)}</Fragment>;
        return <LogRow key={key} entry={entry} line={entry.line ?? index + 1} look={look} linked={offset === linked} />;
      })}
    </>
  );
}
