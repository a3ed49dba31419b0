import * as React from "react";
import { Fragment, memo, useRef, type CSSProperties, type ReactNode, type RefObject } from "react";
import { useEffectBeforePaint } from "./beforePaint.js";
import { boxed, guard } from "./guard.js";
import { lineText, linesText, plainText, shownLength, type LineLook, type PanelEntry } from "./line.js";
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
  useEffectBeforePaint(() => guard(element.current), []);

  return (
    <>
      <div
        ref={element}
        className={near ? "streamator-log-block" : "streamator-log-block streamator-log-block--text"}
        // As text it keeps its lines, also where there is no style sheet of ours.
        style={{ "--streamator-rows": lines.length, whiteSpace: near ? undefined : "pre-wrap" } as CSSProperties}
      >
        {near ? <LogRows {...rows} /> : null}
      </div>
      {near ? null : <BlockText block={element} lines={lines} look={look} />}
    </>
  );
});

/**
 * Writes the text of a block by hand: React would keep it a second time. It is beside the block's element, so that React
 * takes the text away before it puts rows there, and it takes all that is there, for a translator may have replaced it.
 */
function BlockText({ block, lines, look }: Pick<LogRowsProps, "lines" | "look"> & { readonly block: RefObject<HTMLElement | null> }): null {
  useEffectBeforePaint(() => {
    const isWhole = lines.every((entry) => shownLength(entry, look.whole) === entry.text.length);
    block.current?.replaceChildren(...(isWhole ? [linesText(lines, look)] : lines.flatMap((entry) => textNodes(entry, look))));
  }, [block, lines, look]);
  useEffectBeforePaint(() => {
    const element = block.current;
    return () => element?.replaceChildren();
  }, [block]);
  return null;
}

/** A line as text, what is not shown of it without a box. */
function textNodes(entry: PanelEntry, look: LineLook): (Node | string)[] {
  const end = shownLength(entry, look.whole);
  const text = lineText({ ...entry, text: entry.text.slice(0, end) }, look);
  if (end === entry.text.length) return [`${text}\n`];
  const rest = document.createElement("span");
  rest.hidden = true;
  rest.textContent = plainText(entry.text.slice(end), look);
  return [text, rest, "\n"];
}

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
        if (renderEntry) return <Fragment key={key}>{boxed(renderEntry(entry, index))}</Fragment>;
        return <LogRow key={key} entry={entry} line={entry.line ?? index + 1} look={look} linked={offset === linked} />;
      })}
    </>
  );
}
