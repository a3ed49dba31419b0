import { useState } from "react";
import { useEffectBeforePaint, useLatest } from "../hooks/useLatest.js";
import { listen } from "../listen.js";
import type { Plan } from "./large.js";
import type { PanelState } from "./panel.js";
import { patternOf } from "./search.js";

/** The names in `::highlight()` of log.css. All panels of a page share them. */
const ALL = "streamator-find";
const CURRENT = "streamator-find-current";

/** The most marks in one row. */
const MOST = 200;

/** The most marks while the log follows its end: the browser checks each mark again with each new line. */
const MOST_FOLLOWED = 60;

interface Mark {
  readonly name: string;
  readonly text: string;
  readonly ranges: readonly Range[];
  /** The limit when it was made. */
  readonly most: number;
}

/**
 * Marks the matches of `query` in the rows near the view, and those in the row of `current` in another colour. `""` marks
 * nothing. While the log follows its end, only rows in view are marked, the newest first.
 */
export function useMarks({ scroller, content, following }: PanelState, plan: Plan | null, query: string, current: number): void {
  const [marks] = useState(() => new Marks());
  const show = useLatest(() => {
    const [log, inner] = [scroller.current, content.current];
    if (query !== "" && plan && log && inner) marks.show(plan.rowsNear(log, inner, following ? 0 : 1), query, plan.elementOf(inner, current), following ? MOST_FOLLOWED : Infinity);
  });
  useEffectBeforePaint(() => show());
  const finding = query !== "";
  useEffectBeforePaint(() => {
    if (!finding) return undefined;
    const listening = [listen(document, "scroll", show, { capture: true }), listen(window, "resize", show)]; // captures the scrolling of all elements around the log
    return () => {
      for (const leave of listening) leave();
      marks.show([], "", null);
    };
  }, [finding, marks, show]);
}

/**
 * Marks matches by the CSS Custom Highlight API. It changes no element, so React, selections and screen readers are not
 * disturbed. A row that is already marked stays as it is. Browsers without the API mark nothing.
 */
export class Marks {
  #marked = new Map<Element, Mark>();
  #query = "";

  /** Marks up to `total` matches in these rows, the last rows first, with `current` in another colour. Removes all other marks. */
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

/** The visible text nodes in an element. */
function textNodes(element: Element): Text[] {
  const nodes: Text[] = [];
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode() as Text | null; node; node = walker.nextNode() as Text | null) {
    if (!node.parentElement?.hidden) nodes.push(node);
  }
  return nodes;
}

/** Marks matches in a row. A match may span several text nodes, if colours change in it. */
function mark(name: string, nodes: readonly Text[], text: string, pattern: RegExp, most: number): Range[] {
  const ranges: Range[] = [];
  const highlight = CSS.highlights.get(name) ?? new Highlight();
  let node = 0;
  let start = 0; // where that node begins in the text
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
