import { levelOf } from "./formatEvent.js";
import type { PanelEntry } from "./line.js";

/** How many lines of each level. */
export type LevelCounts = Readonly<Record<string, number>>;

/** Counts the lines of each level; with `by` -1 it takes them off the `counts` given. */
export function countLevels(logs: readonly PanelEntry[], counts: Record<string, number> = {}, by: 1 | -1 = 1): LevelCounts {
  for (const entry of logs) {
    const level = levelOf(entry.level);
    counts[level] = (counts[level] ?? 0) + by;
  }
  return counts;
}
