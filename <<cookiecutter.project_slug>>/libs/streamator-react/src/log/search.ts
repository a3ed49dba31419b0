import { growth } from "./growth.js";
import type { AnsiView, PanelEntry } from "./line.js";

/** A pattern for a text in any case; null for an empty one. */
export function patternOf(query: string): RegExp | null {
  return query === "" ? null : new RegExp(query.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), "gi");
}

/**
 * Finds the lines with a text in a log that grows. Each call searches new lines only. Give each log one of its own.
 */
export class Finder {
  #logs: readonly PanelEntry[] = [];
  #query = "";
  #ansi: AnsiView | null = null;
  #matches: readonly number[] = [];

  /** The indexes in `logs` of the lines that show `query`, in order. The same array until something changes. */
  find(logs: readonly PanelEntry[], query: string, ansi: AnsiView | null = null): readonly number[] {
    const before = this.#logs;
    const same = query === this.#query && ansi === this.#ansi;
    if (same && logs === before) return this.#matches;
    const pattern = patternOf(query);
    const grown = same ? growth(before, logs) : null;
    const { gone, kept } = grown ?? { gone: 0, kept: 0 };
    const still = grown ? this.#matches : [];
    const matches = gone === 0 ? still.slice() : still.filter((index) => index >= gone).map((index) => index - gone);
    if (pattern) {
      for (let index = kept; index < logs.length; index += 1) {
        const entry = logs[index] as PanelEntry;
        pattern.lastIndex = 0;
        if (pattern.test(ansi ? ansi.text(entry) : entry.text)) matches.push(index);
      }
    }
    this.#logs = logs;
    this.#query = query;
    this.#ansi = ansi;
    this.#matches = matches;
    return matches;
  }
}

/** The match after (1) or before (-1) an index, wrapping at the ends; -1 if nothing matches. */
export function step(matches: readonly number[], from: number, by: 1 | -1): number {
  if (matches.length === 0) return -1;
  const next = by === 1 ? matches.find((index) => index > from) : matches.filter((index) => index < from).at(-1);
  return next ?? (matches.at(by === 1 ? 0 : -1) as number);
}
