import { lineOf, type PanelEntry } from "./line.js";
import type { PanelState } from "./panel.js";

/** Brings the reader to the line at a place, if there is one. */
export function goTo({ follower, setTarget, shown }: PanelState, index: number): void {
  const entry = shown[index];
  if (entry === undefined) return;
  follower.leave();
  setTarget({ entry });
}

/** Where the line of this number is; -1 where it is not (yet, any more, or filtered out). Numbers only grow. */
export function placeOf(logs: readonly PanelEntry[], line: number): number {
  const near = line - lineOf(logs, 0); // its place unless lines were left out
  if (lineOf(logs, near) === line && near >= 0 && near < logs.length) return near;
  return logs.findIndex((_, index) => lineOf(logs, index) === line);
}
