import { plainText, shownLength, timeText, type LineLook, type PanelEntry } from "./line.js";

/** How many rows of text an entry takes where nothing wraps. */
export function rowsOf(entry: PanelEntry, look: Pick<LineLook, "whole" | "ansi">): number {
  if (!entry.text.includes("\n")) return 1;
  const shown = plainText(entry.text.slice(0, shownLength(entry, look.whole)), look);
  return shown.replace(/\n$/, "").split("\n").length; // a break at the end begins no row
}

/** A line as plain text: `12.3s [error] message`. */
export function lineText(entry: PanelEntry, look: Pick<LineLook, "time" | "startedAt" | "ansi">, level = false): string {
  const time = timeText(entry.t, look, entry.seconds);
  const tag = level && entry.level && entry.level !== "info" ? `[${entry.level}] ` : "";
  return `${time && `${time} `}${tag}${plainText(entry.text, look)}`;
}

/** Lines as one text, each with its line end. */
export function linesText(logs: readonly PanelEntry[], look: Pick<LineLook, "time" | "startedAt" | "ansi">, level = false): string {
  let text = "";
  for (const entry of logs) text += `${lineText(entry, look, level)}\n`;
  return text;
}
