import type { ReactElement } from "react";
import type { LogWords } from "./words.js";

/** The least that a line needs to be shown. `useLogStream`'s entries have it, and so may your own. */
export interface PanelEntry {
  readonly text: string;
  /** Seconds, shown as "12.3s"; a string is shown as it is. */
  readonly t?: number | string | null;
  /** Seconds, for the time of day where `t` is a string. */
  readonly seconds?: number;
  /** Any of the words that events may have: `error`, `WARN`, `critical`, ... Others are `info`. */
  readonly level?: string;
  /** A number that stays with the line, so that dropping old lines does not render the others anew. */
  readonly line?: number;
}

/** Seconds since the job began, the time of day, or no time at all. */
export type LogTime = "elapsed" | "wall" | "off";

/** Lines as a terminal shows them. */
export interface AnsiView {
  /** What a line comes to as text. */
  readonly text: (entry: PanelEntry) => string;
  /** How much of that text is shown at first. */
  readonly end: (entry: PanelEntry, text: string) => number;
  /** The same as it looks, up to `end` characters of it. */
  readonly show: (entry: PanelEntry, end: number) => string | readonly ReactElement[];
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
  readonly words: Pick<LogWords, "line" | "whole"> & Partial<Pick<LogWords, "level">>;
}

/** Characters of a line that are shown until the reader asks for the rest: to lay out a million takes half a second. */
export const SHOWN = 10_000;

/** The end of what is shown of a text at first: not within a character. */
export function shownEnd(text: string): number {
  return text.length <= SHOWN ? text.length : SHOWN - (/[\uD800-\uDBFF]/.test(text.charAt(SHOWN - 1)) ? 1 : 0);
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

/** What a line comes to as text, and how much of that is shown. */
export function shownText(entry: PanelEntry, { ansi, whole }: Pick<LineLook, "ansi" | "whole">): { readonly text: string; readonly end: number } {
  const text = ansi ? ansi.text(entry) : entry.text;
  return { text, end: whole.has(entry) ? text.length : ansi ? ansi.end(entry, text) : shownEnd(text) };
}

/** A line's own number, else its place from 1; 0 before the first. */
export function lineOf(logs: readonly PanelEntry[], index: number): number {
  return logs[index]?.line ?? index + 1;
}

/** How many lines have a number above `line`. */
export function countAfter(logs: readonly PanelEntry[], line: number): number {
  let index = logs.length;
  while (index > 0 && lineOf(logs, index - 1) > line) index -= 1;
  return logs.length - index;
}
