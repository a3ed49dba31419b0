import { growth } from "./growth.js";
import type { PanelEntry } from "./line.js";

/** Lines per block. A block out of view costs the browser neither layout nor paint, and one text node. */
export const BLOCK = 200;

/** Lines that are drawn together. The key stays with the lines. */
export interface LogBlock {
  readonly key: number;
  /** The place of the first line in the log. */
  readonly start: number;
  readonly lines: readonly PanelEntry[];
}

/** The first and the last block near the view, by their keys (in a window: rows); and how many lines fill the view. */
export interface View {
  readonly first: number;
  readonly last: number;
  readonly lines: number;
}

/** Every block is near the view: nothing is laid out (a test's DOM), so there is nothing to go by. */
export const ALL: View = { first: 0, last: Number.POSITIVE_INFINITY, lines: Number.POSITIVE_INFINITY };

/** Before anything was measured: the end of the log. */
export const UNSEEN: View = { first: 0, last: -1, lines: 60 };

/**
 * Cuts a log into blocks, where the lines' own numbers pass a multiple of BLOCK: the cuts stay where they were when old
 * lines go. A log with lines left out (a filter) has blocks of fewer lines, cut at the same numbers.
 *
 * A block of `before` that still holds the same lines gives its `lines` to the new one, so that it is not drawn again,
 * and no block keeps more of the log alive than its own lines.
 */
export function blocksOf(logs: readonly PanelEntry[], before: readonly LogBlock[] = []): LogBlock[] {
  const blocks: LogBlock[] = [];
  const offset = (logs[0]?.line ?? 1) - 1;
  const whole = (logs.at(-1)?.line ?? offset + logs.length) - offset === logs.length;
  const keyAt = (index: number): number => Math.floor((whole ? offset + index : (logs[index]?.line ?? index + 1) - 1) / BLOCK);
  let last = 0; // the place in `before` of the block that was looked at last
  for (let start = 0; start < logs.length; ) {
    let key = keyAt(start);
    let end = Math.min(logs.length, (key + 1) * BLOCK - offset);
    if (!whole) for (end = start + 1; end < logs.length && keyAt(end) === key; ) end += 1;
    key = Math.max(key, (blocks.at(-1)?.key ?? -1) + 1); // numbers of your own may go back
    while (last < before.length && (before[last] as LogBlock).key < key) last += 1;
    const earlier = before[last];
    const kept = earlier?.key === key && isRun(logs, start, end, earlier.lines) ? earlier.lines : logs.slice(start, end);
    blocks.push({ key, start, lines: kept });
    start = end;
  }
  return blocks;
}

function isRun(logs: readonly PanelEntry[], start: number, end: number, lines: readonly PanelEntry[]): boolean {
  if (lines.length !== end - start) return false;
  for (let index = 0; index < lines.length; index += 1) if (lines[index] !== logs[start + index]) return false;
  return true;
}

/** The blocks of a log that grows: each call reuses what it can of the one before. */
export function makeCutter(): (logs: readonly PanelEntry[]) => readonly LogBlock[] {
  let logs: readonly PanelEntry[] = [];
  let blocks: readonly LogBlock[] = [];
  return (now) => {
    if (now !== logs) blocks = blocksOf(now, blocks);
    logs = now;
    return blocks;
  };
}

/** What is near the view, within one view's height above and below: what the reader may see in the next moment. */
export function viewOf(scroller: HTMLElement, content: HTMLElement, blocks: readonly LogBlock[]): View {
  const { height } = content.getBoundingClientRect();
  if (height === 0) return scroller.getClientRects().length > 0 ? ALL : UNSEEN; // not laid out, or not displayed
  const { top, bottom, margin } = sightOf(scroller);
  const [first, end] = within(blocksIn(content), top - margin, bottom + margin);
  return { first: blocks[first]?.key ?? Number.POSITIVE_INFINITY, last: blocks[end - 1]?.key ?? -1, lines: Math.max(UNSEEN.lines, Math.ceil((2 * margin) / lineHeightOf(content))) };
}

/** The rows that the reader sees or may see in the next moment; all that are drawn where nothing is laid out. */
export function rowsNear(scroller: HTMLElement, content: HTMLElement): Element[] {
  const parts = partsOf(content);
  if (scroller.getBoundingClientRect().height === 0) return parts.flatMap(({ children }) => [...children]);
  const { top, bottom, margin } = sightOf(scroller);
  return parts.slice(...within(parts, top - margin, bottom + margin)).flatMap(({ children }) => {
    const rows = [...children];
    return rows.slice(...within(rows, top - margin, bottom + margin));
  });
}

/** What the view begins with: a row, or a block without rows. */
export function topOf(scroller: HTMLElement, content: HTMLElement): Element | undefined {
  const { top } = sightOf(scroller);
  const below = (elements: ArrayLike<Element>): Element | undefined => elements[search(elements.length, (index) => edge(elements, index, "bottom") > top)];
  const part = below(partsOf(content));
  return part && !isText(part) ? (below(part.children) ?? part) : part;
}

/** The elements of the blocks, whatever others have put beside them. */
export function blocksIn(content: Element): HTMLCollectionOf<Element> {
  return content.getElementsByClassName("streamator-log-block");
}

/** Whether a block has no rows just now. */
export function isText(block: Element): boolean {
  return block.classList.contains("streamator-log-block--text");
}

/** What holds rows: the blocks, or the one window. */
function partsOf(content: Element): Element[] {
  return [...content.querySelectorAll(".streamator-log-block, .streamator-log-window")];
}

/** Where the view of the log is on the screen, and its height. */
function sightOf(scroller: HTMLElement): { readonly top: number; readonly bottom: number; readonly margin: number } {
  const box = scroller.getBoundingClientRect();
  const top = Math.max(box.top, 0);
  const bottom = Math.min(box.bottom, window.innerHeight);
  return { top, bottom, margin: Math.max(0, bottom - top) };
}

/** Which of some elements, one below the other, are between two heights: the first, and the one after the last. */
function within(elements: ArrayLike<Element>, top: number, bottom: number): [number, number] {
  const first = search(elements.length, (index) => edge(elements, index, "bottom") >= top);
  return [first, search(elements.length, (index) => edge(elements, index, "top") > bottom)];
}

function edge(elements: ArrayLike<Element>, index: number, side: "top" | "bottom"): number {
  return (elements[index] as Element).getBoundingClientRect()[side];
}

/** The first index below `count` for which `isSo`, which stays so from there on; `count` if there is none. */
function search(count: number, isSo: (index: number) => boolean): number {
  let low = 0;
  for (let high = count; low < high; ) {
    const middle = (low + high) >> 1;
    if (isSo(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Where the lines of a log stand in a window, counted in rows of one height: a line may have several. */
export interface Stack {
  readonly total: number;
  /** The first row of a line. */
  readonly top: (line: number) => number;
  /** The line that has a row. */
  readonly at: (row: number) => number;
}

/** The stacks of a log that grows: what was counted is not counted again, as long as `rowsOf` is the same. */
export function makeStacker(): (logs: readonly PanelEntry[], rowsOf: (entry: PanelEntry) => number) => Stack {
  let before: readonly PanelEntry[] = [];
  let counted: unknown = null;
  let ends: number[] = []; // the rows up to the end of each line, and before the first what has gone
  return (logs, rowsOf) => {
    const grown = counted === rowsOf ? growth(before, logs) : null;
    ends = grown ? ends.slice(grown.gone, grown.gone + grown.kept + 1) : [0];
    for (let index = ends.length - 1; index < logs.length; index += 1) ends.push((ends[index] as number) + rowsOf(logs[index] as PanelEntry));
    before = logs;
    counted = rowsOf;
    const own = ends;
    const top = (line: number): number => (own[line] as number) - (own[0] as number);
    return { total: top(logs.length), top, at: (row) => search(logs.length, (line) => top(line + 1) > row) };
  };
}

/** Which rows of `count` a window shows, a few more on each side. */
export function windowOf(scroller: HTMLElement, content: HTMLElement, count: number): View {
  const lineHeight = lineHeightOf(content);
  const lines = Math.ceil(scroller.clientHeight / lineHeight) + 2 * SPARE;
  const top = scroller.getBoundingClientRect().top - content.getBoundingClientRect().top;
  const first = Math.max(0, Math.min(Math.floor(top / lineHeight) - SPARE, count - lines));
  return { first, last: first + lines - 1, lines };
}

/** Rows that a window holds beyond each edge, for the frame in which it has not yet moved on. */
const SPARE = 4;

/** Pixels. */
export function lineHeightOf(content: HTMLElement): number {
  return Number.parseFloat(getComputedStyle(content).lineHeight) || 16;
}
