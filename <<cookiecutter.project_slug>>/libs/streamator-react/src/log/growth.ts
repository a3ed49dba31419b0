import type { PanelEntry } from "./line.js";

/** How a log changed: `gone` lines were dropped at the top, `kept` stayed, the rest is new. */
export interface Growth {
  readonly gone: number;
  readonly kept: number;
}

/** How `logs` grew from `before`; null if it is another log. Compares the first and the last line only. */
export function growth(before: readonly PanelEntry[], logs: readonly PanelEntry[]): Growth | null {
  const gone = (logs[0]?.line ?? 0) - (before[0]?.line ?? 0);
  const kept = before.length - gone;
  const same = gone >= 0 && kept > 0 && kept <= logs.length && before[gone] === logs[0] && before[before.length - 1] === logs[kept - 1];
  return same ? { gone, kept } : null;
}
