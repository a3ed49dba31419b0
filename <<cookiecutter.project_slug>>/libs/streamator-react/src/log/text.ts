import { levelOf } from "../core/formatEvent.js";
import { shownText, timeText, type LineLook, type PanelEntry } from "./line.js";

/** How many rows an entry takes without wrapping. */
export function rowsOf(entry: PanelEntry, look: Pick<LineLook, "whole" | "ansi">): number {
  const { text, end } = shownText(entry, look);
  if (!text.includes("\n")) return 1; // most lines, in a third of the time
  return text.slice(0, end).replace(/\n$/, "").split("\n").length; // a line break at the end begins no row
}

/** The word for a level before a line's text, as in `[error] `; none for `info`. */
export function tagOf(level: unknown, { level: word }: LineLook["words"]): string {
  const name = levelOf(level);
  return name === "info" ? "" : `[${word?.(name) ?? name}] `;
}

/** The time and the level before a line's text: `12.3s [error] `. */
export function leadText(entry: PanelEntry, look: Pick<LineLook, "time" | "startedAt" | "attempts" | "words">): string {
  const time = timeText(entry, look);
  return `${time && `${time} `}${tagOf(entry.level, look.words)}`;
}

/** Lines as one text, each with a line break at its end. */
export function linesText(logs: readonly PanelEntry[], look: LineLook): string {
  let text = "";
  for (const entry of logs) text += `${leadText(entry, look)}${shownText(entry, look).text}\n`;
  return text;
}
