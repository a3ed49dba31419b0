import { growth } from "./growth.js";
import { countLevels } from "./levels.js";
import type { PanelEntry } from "./line.js";
import type { LevelCounts } from "./words.js";

/** Counts the levels of a log that grows. Each call counts new and dropped lines only. */
export function makeLevelCounter(): (logs: readonly PanelEntry[]) => LevelCounts {
  let before: readonly PanelEntry[] = [];
  let counts: LevelCounts = {};
  return (logs) => {
    const grown = growth(before, logs);
    const { gone, kept } = grown ?? { gone: 0, kept: 0 };
    if (logs !== before) counts = countLevels(logs.slice(kept), grown ? { ...countLevels(before.slice(0, gone), { ...counts }, -1) } : {});
    before = logs;
    return counts;
  };
}
