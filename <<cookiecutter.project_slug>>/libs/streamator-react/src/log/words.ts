import type { LogStream } from "../types.js";

/** How many lines there are of each level. */
export type LevelCounts = Readonly<Record<string, number>>;

/** What the connection line needs; `useLogStream`'s result has it all. */
export type ConnectionView = Pick<LogStream, "status" | "error" | "outcome" | "attempt" | "dropped" | "missed" | "resumes" | "retryAt">;

export const number = (value: number): string => value.toLocaleString("en");
const plural = (count: number, noun: string): string => `${number(count)} ${noun}${count === 1 ? "" : "s"}`;

/** The words of a panel without its tools. */
export const WORDS = {
  waiting: "⏳ Starting…",
  newLines: (count: number): string => plural(count, "new line"),
  line: (line: number): string => `Link to line ${line}`,
  /** The button that shows the rest of a long line. */
  whole: (characters: number): string => `Show all ${number(characters)} characters`,
  /** The announcement for screen readers, errors first. */
  summary: ({ error = 0, warning = 0 }: LevelCounts, lines: number): string =>
    [error && plural(error, "error"), warning && plural(warning, "warning"), plural(lines, "line")].filter(Boolean).join(", "),
};

export type PanelWords = typeof WORDS;
