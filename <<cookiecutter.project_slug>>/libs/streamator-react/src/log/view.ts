import type { LogBlock } from "./blocks.js";

/** The keys of the first and the last block near the view (in a window: the rows), and how many lines fill the view. */
export interface View {
  readonly first: number;
  readonly last: number;
  readonly lines: number;
  /** The keys of the groups near the view, which are cut into blocks. */
  readonly groups: readonly [first: number, last: number];
}

/** Without layout (a test's DOM) every block counts as near. */
export const ALL: View = { first: 0, last: Number.POSITIVE_INFINITY, lines: Number.POSITIVE_INFINITY, groups: [0, Number.POSITIVE_INFINITY] };

/** Before the first measurement: the end of the log. */
export const UNSEEN: View = { first: 0, last: -1, lines: 60, groups: [0, -1] };

/** Finds the blocks near the view, which is up to one view's height above and below it: the reader may scroll there next. */
export function viewOf(scroller: HTMLElement, content: HTMLElement, blocks: readonly LogBlock[]): View {
  const { height } = content.getBoundingClientRect();
  if (height === 0) return scroller.getClientRects().length > 0 ? ALL : UNSEEN; // not laid out, or not displayed
  const { margin } = sightOf(scroller);
  const all = [...blocksIn(content)];
  const blockOf = (element: HTMLElement): LogBlock | readonly LogBlock[] => blocks[all.indexOf(element)] ?? [];
  const grouped = groupsNear(scroller, content).flatMap((group) => [...blocksIn(group)]);
  const seen = near(grouped, scroller).flatMap(blockOf).filter(({ key, last }) => key === last); // a group that is one block must be cut before it gets rows
  const around = grouped.flatMap(blockOf);
  return {
    first: seen[0]?.key ?? Number.POSITIVE_INFINITY,
    last: seen.at(-1)?.key ?? -1,
    lines: Math.max(UNSEEN.lines, Math.ceil((2 * margin) / lineHeightOf(content))),
    groups: [around[0]?.key ?? 0, around.at(-1)?.last ?? -1],
  };
}

/**
 * The groups near the view, or the window. Search groups before blocks: in Firefox and WebKit a block has no position while
 * its group is not laid out.
 */
export function groupsNear(scroller: HTMLElement, content: HTMLElement): readonly HTMLElement[] {
  return near(partsOf(content), scroller);
}

/** The rows within so many heights of the view; all rows without layout. */
export function rowsNear(scroller: HTMLElement, content: HTMLElement, views = 1): Element[] {
  return near(partsOf(content), scroller, views)
    .flatMap((part) => (part.classList.contains("streamator-log-group") ? near([...blocksIn(part)], scroller, views) : [part]))
    .flatMap(({ children }) => near([...children], scroller, views));
}

/** The first element in view: a row, or a block without rows. */
export function topOf(scroller: HTMLElement, content: HTMLElement): Element | undefined {
  const { top } = sightOf(scroller);
  const below = (elements: ArrayLike<Element>): Element | undefined => elements[search(elements.length, (index) => edge(elements, index, "bottom") > top)];
  const group = below(partsOf(content));
  const part = group && (below(blocksIn(group)) ?? group);
  return part && !isText(part) ? (below(part.children) ?? part) : part;
}

/** The elements of the blocks, without what extensions have added. */
export function blocksIn(content: Element): HTMLCollectionOf<HTMLElement> {
  return content.getElementsByClassName("streamator-log-block") as HTMLCollectionOf<HTMLElement>;
}

/** Whether a block is written as text now. */
export function isText(block: Element): boolean {
  return block.classList.contains("streamator-log-block--text");
}

function partsOf(content: Element): HTMLElement[] {
  return [...content.querySelectorAll<HTMLElement>(".streamator-log-group, .streamator-log-window")];
}

/** Where the visible part of the log is on the screen, and its height. */
function sightOf(scroller: HTMLElement): { readonly top: number; readonly bottom: number; readonly margin: number } {
  const box = scroller.getBoundingClientRect();
  const top = Math.max(box.top, 0);
  const bottom = Math.min(box.bottom, window.innerHeight);
  return { top, bottom, margin: Math.max(0, bottom - top) };
}

/** The elements within so many heights of the view; all without layout. They are ordered from top to bottom. */
function near<Each extends Element>(elements: readonly Each[], scroller: HTMLElement, views = 1): readonly Each[] {
  const { top, bottom, margin } = sightOf(scroller);
  if (scroller.getBoundingClientRect().height === 0) return elements;
  const first = search(elements.length, (index) => edge(elements, index, "bottom") >= top - views * margin);
  return elements.slice(first, search(elements.length, (index) => edge(elements, index, "top") > bottom + views * margin));
}

function edge(elements: ArrayLike<Element>, index: number, side: "top" | "bottom"): number {
  return (elements[index] as Element).getBoundingClientRect()[side];
}

/** The first index below `count` for which `isSo` is true, by binary search; `count` if there is none. */
export function search(count: number, isSo: (index: number) => boolean): number {
  let low = 0;
  for (let high = count; low < high; ) {
    const middle = (low + high) >> 1;
    if (isSo(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** In pixels. */
export function lineHeightOf(content: HTMLElement): number {
  return Number.parseFloat(getComputedStyle(content).lineHeight) || 16;
}
