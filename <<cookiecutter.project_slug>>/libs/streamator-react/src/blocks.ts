import type { PanelEntry } from "./line.js";

/** Lines per block. A block out of view costs the browser neither layout nor paint, and one text node. */
export const BLOCK = 100;

/** Blocks per group: far from the view a group is one block, and the browser asks each box in each frame whether it is in view. */
export const GROUP = 10;

/** So few lines are all rows, wherever the panel is: what looks for a row by its class finds it. */
export const FEW = 1_000;

/** Lines that are drawn together. The key stays with the lines. */
export interface LogBlock {
  readonly key: number;
  /** The key of the last block that it stands for: its own, or where a group is one block that of the group's last. */
  readonly last: number;
  /** The place of the first line in the log. */
  readonly start: number;
  readonly lines: readonly PanelEntry[];
}

/** Whether a group is cut into blocks: by the keys of the first and the last of them, and the places of its lines. */
export type IsCut = (first: number, last: number, from: number, end: number) => boolean;

/**
 * Cuts a log into blocks, where the lines' own numbers pass a multiple of BLOCK: the cuts stay where they were when old
 * lines go. A log with lines left out (a filter) has blocks of fewer lines, cut at the same numbers.
 *
 * What comes before the place `from` is left out. A block of `before` that still holds the same lines gives its `lines` to the new one, so that it is not drawn again,
 * and no block keeps more of the log alive than its own lines.
 */
export function blocksOf(logs: readonly PanelEntry[], before: readonly LogBlock[] = [], from = 0, isCut: IsCut = () => true): LogBlock[] {
  const blocks: LogBlock[] = [];
  const offset = (logs[0]?.line ?? 1) - 1;
  const whole = (logs.at(-1)?.line ?? offset + logs.length) - offset === logs.length;
  const keyAt = (index: number): number => Math.floor((whole ? offset + index : (logs[index]?.line ?? index + 1) - 1) / BLOCK);
  const endOf = (start: number, first: number, last: number): number => {
    let end = Math.min(logs.length, (last + 1) * BLOCK - offset);
    if (!whole) for (end = start + 1; end < logs.length && keyAt(end) >= first && keyAt(end) <= last; ) end += 1;
    return end;
  };
  let place = 0; // in `before`, of the block that was looked at last
  let group = Number.NaN; // by its last key, that is cut
  for (let start = from; start < logs.length; ) {
    let key = keyAt(start);
    let last = key - (key % GROUP) + GROUP - 1;
    let end = endOf(start, key, last);
    if (last === group || isCut(key, last, start, end)) {
      group = last;
      last = key;
      end = endOf(start, key, last);
    }
    const back = Math.max(0, (blocks.at(-1)?.last ?? -1) + 1 - key); // numbers of your own may go back
    key += back;
    last += back;
    while (place < before.length && (before[place] as LogBlock).key < key) place += 1;
    const earlier = before[place];
    const kept = earlier?.key === key && isRun(logs, start, end, earlier.lines) ? earlier.lines : logs.slice(start, end);
    blocks.push({ key, last, start, lines: kept });
    start = end;
  }
  return blocks;
}

function isRun(logs: readonly PanelEntry[], start: number, end: number, lines: readonly PanelEntry[]): boolean {
  if (lines.length !== end - start) return false;
  for (let index = 0; index < lines.length; index += 1) if (lines[index] !== logs[start + index]) return false;
  return true;
}

/** The blocks of a log that grows: each call reuses what it can of the one before, all of it where nothing changed. */
export function makeCutter(): (logs: readonly PanelEntry[], from?: number, isCut?: IsCut) => readonly LogBlock[] {
  let blocks: readonly LogBlock[] = [];
  return (logs, from, isCut) => {
    const now = blocksOf(logs, blocks, from, isCut);
    if (now.length !== blocks.length || now.some(({ lines }, index) => lines !== blocks[index]?.lines)) blocks = now;
    return blocks;
  };
}

/** Blocks whose keys are neighbours, by the number of their group: it keeps its members as long as they are there. */
export function groupsOf(blocks: readonly LogBlock[]): Record<number, LogBlock[]> {
  const groups: Record<number, LogBlock[]> = {};
  for (const block of blocks) (groups[Math.floor(block.key / GROUP)] ??= []).push(block);
  return groups;
}
