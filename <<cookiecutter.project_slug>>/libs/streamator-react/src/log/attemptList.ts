import { growth } from "./growth.js";
import { isRule, type PanelEntry } from "./line.js";

/** An attempt that has lines in a log, with the text of its rule; null if the rule is not there. */
export interface ListedAttempt {
  readonly attempt: number;
  readonly text: string | null;
}

/** Lists the attempts of a log that grows, in order. Each call looks at new lines only. */
export function makeAttemptList(): (logs: readonly PanelEntry[]) => readonly ListedAttempt[] {
  let before: readonly PanelEntry[] = [];
  let list: readonly ListedAttempt[] = [];
  return (logs) => {
    const kept = growth(before, logs)?.kept ?? 0;
    const found = new Map<number, ListedAttempt>();
    if (kept > 0) for (const item of list) if (item.attempt >= (logs[0]?.attempt ?? 1)) found.set(item.attempt, item); // the lines of older ones were dropped
    let last = kept === 0 ? null : (before.at(-1)?.attempt ?? 1);
    for (let index = kept; index < logs.length; index += 1) {
      const entry = logs[index] as PanelEntry;
      const { attempt = 1, text } = entry;
      if (attempt === last && !isRule(entry)) continue;
      last = attempt;
      if (isRule(entry) || !found.has(attempt)) found.set(attempt, { attempt, text: isRule(entry) ? text : null });
    }
    before = logs;
    list = [...found.values()];
    return list;
  };
}
