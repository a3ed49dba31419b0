import { levelOf } from "../core/formatEvent.js";
import type { PanelEntry } from "./line.js";
import type { LevelCounts } from "./words.js";

/** Adds the lines of each level to `counts`, or subtracts them with `by` -1. */
export function countLevels(logs: readonly PanelEntry[], counts: Record<string, number> = {}, by: 1 | -1 = 1): LevelCounts {
  for (const entry of logs) {
    const level = levelOf(entry.level);
    counts[level] = (counts[level] ?? 0) + by;
  }
  return counts;
}
