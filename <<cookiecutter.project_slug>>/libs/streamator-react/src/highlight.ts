import { patternOf } from "./search.js";

/** The names that `::highlight()` in log.css colours. All panels of a page share them. */
const ALL = "streamator-find";
const CURRENT = "streamator-find-current";

/**
 * Marks what matches in the rows below `content` by the CSS Custom Highlight API: no element is touched, so that
 * React, selections and screen readers notice nothing. Gives the function that takes the marks away.
 * Where the browser has no such API, nothing is marked.
 */
export function highlight(content: Element, query: string, current: Element | null): () => void {
  const pattern = patternOf(query);
  if (!pattern || typeof Highlight !== "function" || !CSS.highlights) return () => undefined;
  const marks: [string, Range][] = [];
  for (const text of content.querySelectorAll(".streamator-log-text")) {
    const name = current?.contains(text) ? CURRENT : ALL;
    for (const range of rangesIn(text, pattern)) marks.push([name, range]);
  }
  for (const [name, range] of marks) {
    const shared = CSS.highlights.get(name) ?? new Highlight();
    CSS.highlights.set(name, shared.add(range));
  }
  return () => {
    for (const [name, range] of marks) CSS.highlights.get(name)?.delete(range);
  };
}

/** A match may run over several text nodes, where colours change in it. */
function* rangesIn(element: Element, pattern: RegExp): Generator<Range> {
  const nodes: { node: Text; start: number }[] = [];
  let text = "";
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode() as Text | null; node; node = walker.nextNode() as Text | null) {
    nodes.push({ node, start: text.length });
    text += node.data;
  }
  const at = (offset: number, isEnd: boolean): [Text, number] => {
    const { node, start } = nodes.findLast((each) => (isEnd ? each.start < offset : each.start <= offset)) as (typeof nodes)[number];
    return [node, offset - start];
  };
  for (const match of text.matchAll(pattern)) {
    const range = document.createRange();
    range.setStart(...at(match.index, false));
    range.setEnd(...at(match.index + match[0].length, true));
    yield range;
  }
}
