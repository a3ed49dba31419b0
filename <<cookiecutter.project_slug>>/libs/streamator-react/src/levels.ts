import { growth } from "./growth.js";
import type { PanelEntry } from "./line.js";

/** How many lines of each level. */
export type LevelCounts = Readonly<Record<string, number>>;

export function countLevels(logs: readonly PanelEntry[]): LevelCounts {
  const counts: Record<string, number> = {};
  add(counts, logs, 0, logs.length, 1);
  return counts;
}

/** Counts the levels of a log over and over while it grows: what was counted is not counted again. */
export function makeLevelCounter(): (logs: readonly PanelEntry[]) => LevelCounts {
  let before: readonly PanelEntry[] = [];
  let counts: LevelCounts = {};
  return (logs) => {
    if (logs === before) return counts;
    const grown = growth(before, logs);
    if (grown) {
      const next = { ...counts };
      add(next, before, 0, grown.gone, -1);
      add(next, logs, grown.kept, logs.length, 1);
      counts = next;
    } else counts = countLevels(logs);
    before = logs;
    return counts;
  };
}

function add(counts: Record<string, number>, logs: readonly PanelEntry[], start: number, end: number, by: 1 | -1): void {
  for (let index = start; index < end; index += 1) {
    const level = logs[index]?.level ?? "info";
    counts[level] = (counts[level] ?? 0) + by;
  }
}
