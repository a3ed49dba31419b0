import type { PanelEntry } from "./line.js";

/** How one state of a log came of another: `gone` lines left at the top, `kept` stayed, the rest is new. */
export interface Growth {
  readonly gone: number;
  readonly kept: number;
}

/** Tells how `logs` grew out of `before`; null where it is another log. Looks at the ends only. */
export function growth(before: readonly PanelEntry[], logs: readonly PanelEntry[]): Growth | null {
  const gone = (logs[0]?.line ?? 0) - (before[0]?.line ?? 0);
  const kept = before.length - gone;
  const same = gone >= 0 && kept > 0 && kept <= logs.length && before[gone] === logs[0] && before[before.length - 1] === logs[kept - 1];
  return same ? { gone, kept } : null;
}
