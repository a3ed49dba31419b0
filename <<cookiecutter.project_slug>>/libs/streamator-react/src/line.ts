import type { ReactElement } from "react";
import type { LogWords } from "./words.js";

/** The least that a line needs to be shown. `useLogStream`'s entries have it, and so may your own. */
export interface PanelEntry {
  readonly text: string;
  /** Seconds, shown as "12.3s"; a string is shown as it is. */
  readonly t?: number | string | null;
  /** Seconds, for the time of day where `t` is a string. */
  readonly seconds?: number;
  readonly level?: string;
  /** A number that stays with the line, so that dropping old lines does not render the others anew. */
  readonly line?: number;
}

/** Seconds since the job began, the time of day, or no time at all. */
export type LogTime = "elapsed" | "wall" | "off";

/** Lines as a terminal shows them, and the same as text. */
export interface AnsiView {
  /** `text` is the entry's, or the beginning of it. */
  readonly show: (entry: PanelEntry, text: string) => string | readonly ReactElement[];
  readonly text: (text: string) => string;
}

/** How lines are shown. One object for all rows, the same as long as nothing of it changes. */
export interface LineLook {
  readonly time: LogTime;
  /** When the job began, in milliseconds since 1970; null: there is no wall time; NaN: there will be one, as wide as `--:--:--`. */
  readonly startedAt: number | null;
  /** Shows lines as a terminal would; null: a text is shown as it is. */
  readonly ansi: AnsiView | null;
  /** The address of a line; null for no links. */
  readonly links: ((line: number) => string) | null;
  /** The lines that are shown whole, however long they are, and how one becomes so. */
  readonly whole: ReadonlySet<PanelEntry>;
  readonly showWhole: (entry: PanelEntry) => void;
  readonly words: Pick<LogWords, "line" | "whole">;
}

/** Characters of a line that are shown until the reader asks for the rest: to lay out a million takes half a second. */
const SHOWN = 10_000;

/** How much of an entry's text is shown: not up to within a character or an escape sequence. */
export function shownLength(entry: PanelEntry, whole: LineLook["whole"]): number {
  const { text } = entry;
  if (text.length <= SHOWN || whole.has(entry)) return text.length;
  const escape = text.lastIndexOf("\u001b", SHOWN);
  if (escape > SHOWN - 32) return escape;
  return SHOWN - (/[\uD800-\uDBFF]/.test(text.charAt(SHOWN - 1)) ? 1 : 0);
}

/** How many rows of text an entry takes where nothing wraps. */
export function rowsOf(entry: PanelEntry, look: Pick<LineLook, "whole" | "ansi">): number {
  if (!entry.text.includes("\n")) return 1;
  const shown = plainText(entry.text.slice(0, shownLength(entry, look.whole)), look);
  return shown.replace(/\n$/, "").split("\n").length; // a break at the end begins no row
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });

/** The time of a line in words; `""` for none. */
export function timeText(t: PanelEntry["t"], { time, startedAt }: Pick<LineLook, "time" | "startedAt">, seconds = t): string {
  if (time === "off") return "";
  if (time === "wall" && startedAt !== null && typeof seconds === "number") {
    return Number.isNaN(startedAt) ? "--:--:--" : clock.format(startedAt + seconds * 1000);
  }
  return typeof t === "number" ? `${t.toFixed(1)}s` : (t ?? "");
}

/** A text as it is shown. */
export function plainText(text: string, { ansi }: Pick<LineLook, "ansi">): string {
  return ansi ? ansi.text(text) : text;
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

/** What a selection in the panel is as text: a row is a line, also what of it is not shown. */
export function selectedText(range: Range): string {
  const part = range.cloneContents();
  for (const unwanted of part.querySelectorAll(".streamator-log-line, button")) unwanted.remove();
  for (const row of part.querySelectorAll(".streamator-log-entry")) row.append("\n");
  return (part.textContent ?? "").replace(/\n$/, "");
}

/** A line's own number, else its place from 1; 0 before the first. */
export function lineOf(logs: readonly PanelEntry[], index: number): number {
  return logs[index]?.line ?? index + 1;
}

/** Where the line of this number is; -1 where it is not (yet, any more, or filtered out). Numbers only grow. */
export function placeOf(logs: readonly PanelEntry[], line: number): number {
  const near = line - lineOf(logs, 0); // its place unless lines were left out
  if (lineOf(logs, near) === line && near >= 0 && near < logs.length) return near;
  return logs.findIndex((_, index) => lineOf(logs, index) === line);
}

/** How many lines have a number above `line`. */
export function countAfter(logs: readonly PanelEntry[], line: number): number {
  let index = logs.length;
  while (index > 0 && lineOf(logs, index - 1) > line) index -= 1;
  return logs.length - index;
}
