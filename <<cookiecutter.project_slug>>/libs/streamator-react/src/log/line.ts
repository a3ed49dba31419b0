import type { ReactElement } from "react";
import type { JobAttempt } from "../types.js";
import type { LogWords } from "./toolWords.js";

/** What a line needs to be shown. `useLogStream`'s entries have it; you may make your own. */
export interface PanelEntry {
  readonly text: string;
  /** Seconds, shown as "12.3s"; a string is shown as it is. */
  readonly t?: number | string | null;
  /** Seconds, for the time of day if `t` is a string. */
  readonly seconds?: number;
  /** A word for a level, as in events: `error`, `WARN`, `critical`, ... Others are `info`. */
  readonly level?: string;
  /** A number that stays with the line. With it, dropping old lines does not render the others again. */
  readonly line?: number;
  /** The job's attempt that the line is of. Default 1. */
  readonly attempt?: number;
  /** The type of the line's event. The first line of an attempt, `attempt`, is a rule across the log, without a time. */
  readonly event?: string;
}

/** Whether the line is the rule above the lines of a new attempt. */
export function isRule({ event }: Omit<PanelEntry, "text">): boolean {
  return event === "attempt";
}

/** Seconds since the job began, the time of day, or no time at all. */
export type LogTime = "elapsed" | "wall" | "off";

/** Lines as a terminal shows them. */
export interface AnsiView {
  /** A line as plain text. */
  readonly text: (entry: PanelEntry) => string;
  /** How many characters of that text are shown at first. */
  readonly end: (entry: PanelEntry, text: string) => number;
  /** The line with its colours, up to `end` characters. */
  readonly show: (entry: PanelEntry, end: number) => string | readonly ReactElement[];
}

/** How lines are shown. All rows share one object, which stays the same until something in it changes. */
export interface LineLook {
  readonly time: LogTime;
  /** When the job began, in milliseconds since 1970. Null: no time of day. NaN: not known before hydration, show `--:--:--`. */
  readonly startedAt: number | null;
  /** When the later attempts began. Lines of one that is not there have no time of day. */
  readonly attempts?: readonly Pick<JobAttempt, "attempt" | "startedAt">[] | undefined;
  /** Shows lines as a terminal would; null: show texts as they are. */
  readonly ansi: AnsiView | null;
  /** The address of a line; null for no links. */
  readonly links: ((line: number) => string) | null;
  /** The long lines that are shown whole, and the function that adds one. */
  readonly whole: ReadonlySet<PanelEntry>;
  readonly showWhole: (entry: PanelEntry) => void;
  readonly words: Pick<LogWords, "line" | "whole"> & Partial<Pick<LogWords, "level">>;
}

/** Characters of a line that are shown at first: a million take half a second to lay out. */
export const SHOWN = 10_000;

/** How many characters of a text are shown at first. It does not cut a surrogate pair. */
export function shownEnd(text: string): number {
  return text.length <= SHOWN ? text.length : SHOWN - (/[\uD800-\uDBFF]/.test(text.charAt(SHOWN - 1)) ? 1 : 0);
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });

/** The time of a line as text; `""` for none. `t` begins anew with each attempt. */
export function timeText(entry: Omit<PanelEntry, "text">, { time, startedAt, attempts }: Pick<LineLook, "time" | "startedAt" | "attempts">): string {
  const { t, seconds = t, attempt: number = 1 } = entry;
  if (time === "off" || isRule(entry)) return "";
  if (time === "wall" && startedAt !== null && typeof seconds === "number") {
    const began = number === 1 || Number.isNaN(startedAt) ? startedAt : attempts?.find(({ attempt }) => attempt === number)?.startedAt;
    if (typeof began === "number") return Number.isNaN(began) ? "--:--:--" : clock.format(began + seconds * 1000);
  }
  return typeof t === "number" ? `${t.toFixed(1)}s` : (t ?? "");
}

/** A line as plain text, and how many characters of it are shown. */
export function shownText(entry: PanelEntry, { ansi, whole }: Pick<LineLook, "ansi" | "whole">): { readonly text: string; readonly end: number } {
  const text = ansi ? ansi.text(entry) : entry.text;
  return { text, end: whole.has(entry) ? text.length : ansi ? ansi.end(entry, text) : shownEnd(text) };
}

/** A line's own number, else its index plus 1. */
export function lineOf(logs: readonly PanelEntry[], index: number): number {
  return logs[index]?.line ?? index + 1;
}

/** How many lines have a number above `line`. */
export function countAfter(logs: readonly PanelEntry[], line: number): number {
  let index = logs.length;
  while (index > 0 && lineOf(logs, index - 1) > line) index -= 1;
  return logs.length - index;
}
