import { growth } from "./growth.js";
import type { LineLook, PanelEntry } from "./line.js";
import { rowsOf as rowsOfText } from "./text.js";
import { lineHeightOf, search, UNSEEN, type View } from "./view.js";

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
  let stack: Stack | null = null;
  let before: readonly PanelEntry[] = [];
  let counted: unknown = null;
  let ends: number[] = []; // the rows up to the end of each line, and before the first what has gone
  return (logs, rowsOf) => {
    if (stack && logs === before && counted === rowsOf) return stack;
    const grown = counted === rowsOf ? growth(before, logs) : null;
    ends = grown ? ends.slice(grown.gone, grown.gone + grown.kept + 1) : [0];
    for (let index = ends.length - 1; index < logs.length; index += 1) ends.push((ends[index] as number) + rowsOf(logs[index] as PanelEntry));
    before = logs;
    counted = rowsOf;
    const own = ends;
    const top = (line: number): number => (own[line] as number) - (own[0] as number);
    stack = { total: top(logs.length), top, at: (row) => search(logs.length, (line) => top(line + 1) > row) };
    return stack;
  };
}

/** The stacks of a panel's log, which counts anew where lines look otherwise. Rows of one's own (`oneEach`) are one high. */
export type Stacker = (logs: readonly PanelEntry[], look: Pick<LineLook, "whole" | "ansi">, oneEach: boolean) => Stack;

export function makeLookStacker(): Stacker {
  const stacked = makeStacker();
  let by: readonly unknown[] = [];
  let count = (_entry: PanelEntry): number => 1;
  return (logs, look, oneEach) => {
    const now = [look.whole, look.ansi, oneEach];
    if (now.some((value, index) => value !== by[index])) count = oneEach ? () => 1 : (entry) => rowsOfText(entry, look);
    by = now;
    return stacked(logs, count);
  };
}

/** Which rows of `count` a window shows, a few more on each side. */
export function windowOf(scroller: HTMLElement, content: HTMLElement, count: number): View {
  const lineHeight = lineHeightOf(content);
  const lines = Math.ceil(scroller.clientHeight / lineHeight) + 2 * SPARE;
  const top = scroller.getBoundingClientRect().top - content.getBoundingClientRect().top;
  const first = Math.max(0, Math.min(Math.floor(top / lineHeight) - SPARE, count - lines));
  return { first, last: first + lines - 1, lines, groups: UNSEEN.groups };
}

/** Rows that a window holds beyond each edge, for the frame in which it has not yet moved on. */
const SPARE = 4;
