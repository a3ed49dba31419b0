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

/** The first and the last block near the view, by their place among the blocks; and how many lines fill the view. */
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
export function viewOf(scroller: HTMLElement, content: HTMLElement): View {
  const { height } = content.getBoundingClientRect();
  if (height === 0) return scroller.getClientRects().length > 0 ? ALL : UNSEEN; // not laid out, or not displayed
  const box = scroller.getBoundingClientRect();
  const top = Math.max(box.top, 0);
  const bottom = Math.min(box.bottom, window.innerHeight);
  const margin = Math.max(0, bottom - top);
  const { children } = content;
  const edge = (index: number, side: "top" | "bottom"): number => (children[index] as Element).getBoundingClientRect()[side];
  const first = search(children.length, (index) => edge(index, "bottom") >= top - margin);
  const last = search(children.length, (index) => edge(index, "top") > bottom + margin) - 1;
  const lineHeight = lineHeightOf(content);
  return { first, last, lines: Math.max(UNSEEN.lines, Math.ceil((2 * margin) / lineHeight)) };
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

/** Which lines of `count` a window of rows of one height shows, a few more on each side. */
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
