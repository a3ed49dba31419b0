import { useRef, useState } from "react";
import { useEffectBeforePaint } from "./beforePaint.js";
import type { Plan } from "./LargeLog.js";
import type { PanelState } from "./panel.js";
import { patternOf } from "./search.js";

/** The names that `::highlight()` in log.css colours. All panels of a page share them. */
const ALL = "streamator-find";
const CURRENT = "streamator-find-current";

/** Matches marked in one row: "e" in a line of ten thousand characters would be a thousand. */
const MOST = 200;

/** Matches marked in all rows while the log is followed: the browser looks at each mark anew with each line that comes. */
const MOST_FOLLOWED = 60;

interface Mark {
  readonly name: string;
  readonly text: string;
  readonly ranges: readonly Range[];
  /** How many there might have been. */
  readonly most: number;
}

/**
 * Marks what `query` finds in the rows near the view, in the row of `current` in another colour, while the log grows and is scrolled; `""`: nothing.
 * While the log is followed these are the rows in view alone, and of a letter that is everywhere the newest matches.
 */
export function useMarks({ scroller, content, following }: PanelState, plan: Plan | null, query: string, current: number): void {
  const [marks] = useState(() => new Marks());
  const show = useRef((): void => undefined);
  useEffectBeforePaint(() => {
    show.current = () => {
      const [log, inner] = [scroller.current, content.current];
      if (query !== "" && plan && log && inner) marks.show(plan.rowsNear(log, inner, following ? 0 : 1), query, plan.elementOf(inner, current), following ? MOST_FOLLOWED : Infinity);
    };
    show.current();
  });
  const finding = query !== "";
  useEffectBeforePaint(() => {
    if (!finding) return undefined;
    const onMove = (): void => show.current();
    document.addEventListener("scroll", onMove, true); // of all that is around the log, too
    window.addEventListener("resize", onMove);
    return () => {
      document.removeEventListener("scroll", onMove, true);
      window.removeEventListener("resize", onMove);
      marks.show([], "", null);
    };
  }, [finding, marks]);
}

/**
 * Marks what was found by the CSS Custom Highlight API: no element is touched, so that React, selections and screen readers
 * notice nothing. A row that is marked already is left alone. Where the browser has no such API, nothing is marked.
 */
export class Marks {
  #marked = new Map<Element, Mark>();
  #query = "";

  /** Marks what matches in these rows, `current` in another colour, and nothing else any more: `total` matches, of the last rows. */
  show(rows: readonly Element[], query: string, current: Element | null, total = Infinity): void {
    const pattern = typeof Highlight === "function" && CSS.highlights ? patternOf(query) : null;
    const marked = new Map<Element, Mark>();
    let left = total;
    for (let index = pattern ? rows.length - 1 : -1; index >= 0; index -= 1) {
      const row = rows[index] as Element;
      const most = Math.min(MOST, left);
      const name = row === current ? CURRENT : ALL;
      const nodes = textNodes(row.querySelector(".streamator-log-text") ?? row);
      const text = nodes.reduce((all, { data }) => all + data, "");
      const before = this.#marked.get(row);
      const isAll = before && before.ranges.length < before.most && before.ranges.length <= most;
      const same = before?.name === name && before.text === text && this.#query === query && (isAll || before.most === most);
      const now = same ? before : { name, text, ranges: mark(name, nodes, text, pattern as RegExp, most), most };
      marked.set(row, now);
      left -= now.ranges.length;
    }
    for (const [row, { name, ranges }] of this.#marked) {
      if (marked.get(row)?.ranges !== ranges) for (const range of ranges) CSS.highlights.get(name)?.delete(range);
    }
    this.#marked = marked;
    this.#query = query;
  }
}

/** The texts that are shown of an element. */
function textNodes(element: Element): Text[] {
  const nodes: Text[] = [];
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode() as Text | null; node; node = walker.nextNode() as Text | null) {
    if (!node.parentElement?.hidden) nodes.push(node);
  }
  return nodes;
}

/** A match may run over several text nodes, where colours change in it. */
function mark(name: string, nodes: readonly Text[], text: string, pattern: RegExp, most: number): Range[] {
  const ranges: Range[] = [];
  const highlight = CSS.highlights.get(name) ?? new Highlight();
  let node = 0;
  let start = 0; // of that node, in the text
  const at = (offset: number, isEnd: boolean): [Text, number] => {
    let end = start + (nodes[node] as Text).length;
    while (isEnd ? offset > end : offset >= end) {
      start = end;
      node += 1;
      end += (nodes[node] as Text).length;
    }
    return [nodes[node] as Text, offset - start];
  };
  for (const { index, 0: match } of text.matchAll(pattern)) {
    if (ranges.length === most) break;
    const range = document.createRange();
    range.setStart(...at(index, false));
    range.setEnd(...at(index + match.length, true));
    ranges.push(range);
    highlight.add(range);
  }
  CSS.highlights.set(name, highlight);
  return ranges;
}
