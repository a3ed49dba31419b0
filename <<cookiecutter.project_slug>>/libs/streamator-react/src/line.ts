import type { ReactNode } from "react";

/** The least that a line needs to be shown. `useLogStream`'s entries have it, and so may your own. */
export interface PanelEntry {
  readonly text: string;
  /** Seconds, shown as "12.3s"; a string is shown as it is. */
  readonly t?: number | string | null;
  readonly level?: string;
  /** A number that stays with the line, so that dropping old lines does not render the others anew. */
  readonly line?: number;
}

/** Seconds since the job began, the time of day, or no time at all. */
export type LogTime = "elapsed" | "wall" | "off";

/** Lines as a terminal shows them, and the same as text. */
export interface AnsiView {
  readonly show: (entry: PanelEntry) => ReactNode;
  readonly text: (entry: PanelEntry) => string;
}

/** How lines are shown. One object for all rows, the same as long as nothing of it changes. */
export interface LineLook {
  readonly time: LogTime;
  /** When the job began, in milliseconds since 1970; without it there is no wall time. */
  readonly startedAt: number | null;
  /** Shows lines as a terminal would; null: a text is shown as it is. */
  readonly ansi: AnsiView | null;
  /** What line links begin with, `"L"` for `#L123`; null for no links. */
  readonly links: string | null;
  readonly linkTitle: (line: number) => string;
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });

/** The time of a line in words; `""` for none. */
export function timeText(t: PanelEntry["t"], { time, startedAt }: Pick<LineLook, "time" | "startedAt">): string {
  if (time === "off") return "";
  if (typeof t !== "number") return t ?? "";
  return time === "wall" && startedAt !== null ? clock.format(startedAt + t * 1000) : `${t.toFixed(1)}s`;
}

/** A line as plain text: `12.3s [error] message`. */
export function lineText(entry: PanelEntry, look: Pick<LineLook, "time" | "startedAt" | "ansi">, level = false): string {
  const time = timeText(entry.t, look);
  const tag = level && entry.level && entry.level !== "info" ? `[${entry.level}] ` : "";
  return `${time && `${time} `}${tag}${look.ansi ? look.ansi.text(entry) : entry.text}`;
}

/** Lines as one text, each with its line end. */
export function linesText(logs: readonly PanelEntry[], look: Pick<LineLook, "time" | "startedAt" | "ansi">, level = false): string {
  let text = "";
  for (const entry of logs) text += `${lineText(entry, look, level)}\n`;
  return text;
}

/** What a selection in the panel is as text: a row is a line, its time and its text in it. */
export function selectedText(range: Range): string {
  const part = range.cloneContents();
  for (const time of part.querySelectorAll(".streamator-log-time")) if (time.textContent) time.append(" ");
  for (const unwanted of part.querySelectorAll(".streamator-log-line, .streamator-log-jump")) unwanted.remove();
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
