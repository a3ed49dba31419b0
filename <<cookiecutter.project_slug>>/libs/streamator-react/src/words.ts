import type { LevelCounts } from "./levels.js";
import type { LogStream } from "./types.js";

/** What the connection line is made of; `useLogStream`'s result has it all. */
export type ConnectionView = Pick<LogStream, "status" | "error" | "outcome" | "attempt" | "dropped" | "missed" | "resumes" | "retryAt">;

/** The words of a panel without its tools. */
export type PanelWords = Pick<LogWords, "waiting" | "newLines" | "line" | "whole" | "summary">;

/** Every word that the panel shows or says. Give `LogPanel` those that you translate, as `words`. */
export interface LogWords {
  waiting: string;
  newLines: (count: number) => string;
  find: string;
  /** `current` of `count` lines that match; 0 of them before the first step. */
  matches: (current: number, count: number) => string;
  next: string;
  previous: string;
  levels: string;
  /** One line of that level, or `count` of them; the number stands before it. */
  level: (level: string, count?: number) => string;
  time: string;
  elapsed: string;
  wall: string;
  off: string;
  wrap: string;
  copy: string;
  copied: string;
  notCopied: string;
  download: string;
  line: (line: number) => string;
  /** Shows the rest of a line that is too long to be shown whole at first. */
  whole: (characters: number) => string;
  /** What a screen reader is told from time to time, errors first. */
  summary: (counts: LevelCounts, lines: number) => string;
  connecting: string;
  live: string;
  /** Seconds until the next attempt; 0: it is under way. */
  reconnecting: (seconds: number) => string;
  ended: (outcome: ConnectionView["outcome"]) => string;
  lost: string;
  failed: (message: string) => string;
  idle: string;
  resumed: (lost: number) => string;
  dropped: (count: number) => string;
}

export const number = (value: number): string => value.toLocaleString("en");
const plural = (count: number, noun: string): string => `${number(count)} ${noun}${count === 1 ? "" : "s"}`;

export const WORDS: PanelWords = {
  waiting: "⏳ Starting…",
  newLines: (count) => plural(count, "new line"),
  line: (line) => `Link to line ${line}`,
  whole: (characters) => `Show all ${number(characters)} characters`,
  summary: ({ error = 0, warning = 0 }, lines) =>
    [error && plural(error, "error"), warning && plural(warning, "warning"), plural(lines, "line")].filter(Boolean).join(", "),
};
