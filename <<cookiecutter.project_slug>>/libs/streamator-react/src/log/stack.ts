import { growth } from "./growth.js";
import type { LineLook, PanelEntry } from "./line.js";
import { rowsOf } from "./text.js";
import { lineHeightOf, search, UNSEEN, type View } from "./view.js";

/** Rows beyond each edge of a window, for the frame before it renders new ones. */
const SPARE = 4;

/** Where the lines of a log are in a window, in rows of one height. A line may have several rows. */
export interface Stack {
  readonly total: number;
  /** The first row of a line. */
  readonly top: (line: number) => number;
  /** The line at a row. */
  readonly at: (row: number) => number;
}

/** The stack of a panel's log. `oneEach`: rows of the caller's own, one high each. */
export type Stacker = (logs: readonly PanelEntry[], look: Pick<LineLook, "whole" | "ansi">, oneEach: boolean) => Stack;

/** Stacks a log that grows. It counts new lines only, unless lines look different now. */
export function makeStacker(): Stacker {
  let stack: Stack | null = null;
  let before: readonly PanelEntry[] = [];
  let by: readonly unknown[] = [];
  let ends: number[] = []; // the rows up to the end of each line; the first item is what dropped lines had
  return (logs, look, oneEach) => {
    const now = [look.whole, look.ansi, oneEach];
    const same = now.every((value, index) => value === by[index]);
    if (stack && same && logs === before) return stack;
    const grown = same ? growth(before, logs) : null;
    ends = grown ? ends.slice(grown.gone, grown.gone + grown.kept + 1) : [0];
    for (let index = ends.length - 1; index < logs.length; index += 1) ends.push((ends[index] as number) + (oneEach ? 1 : rowsOf(logs[index] as PanelEntry, look)));
    before = logs;
    by = now;
    const own = ends;
    const top = (line: number): number => (own[line] as number) - (own[0] as number);
    stack = { total: top(logs.length), top, at: (row) => search(logs.length, (line) => top(line + 1) > row) };
    return stack;
  };
}

/** Which of `count` rows a window holds: those in view, and SPARE more on each side. */
export function windowOf(scroller: HTMLElement, content: HTMLElement, count: number): View {
  const lineHeight = lineHeightOf(content);
  const lines = Math.ceil(scroller.clientHeight / lineHeight) + 2 * SPARE;
  const top = scroller.getBoundingClientRect().top - content.getBoundingClientRect().top;
  const first = Math.max(0, Math.min(Math.floor(top / lineHeight) - SPARE, count - lines));
  return { first, last: first + lines - 1, lines, groups: UNSEEN.groups };
}
