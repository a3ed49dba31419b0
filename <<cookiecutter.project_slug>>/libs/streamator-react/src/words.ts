import type { LevelCounts } from "./levels.js";
import type { LogStream } from "./types.js";

/** What the connection line is made of; `useLogStream`'s result has it all. */
export type ConnectionView = Pick<LogStream, "status" | "error" | "outcome" | "attempt" | "dropped" | "missed" | "resumes" | "retryAt">;

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

export const WORDS: LogWords = {
  waiting: "⏳ Starting…",
  newLines: (count) => plural(count, "new line"),
  find: "Find",
  matches: (current, count) => (count === 0 ? "none" : `${current > 0 ? `${number(current)} of ` : ""}${number(count)}`),
  next: "Next match",
  previous: "Previous match",
  levels: "Levels",
  level: (level, count = 1) => (count !== 1 && (level === "error" || level === "warning") ? `${level}s` : level),
  time: "Time",
  elapsed: "elapsed",
  wall: "clock",
  off: "no time",
  wrap: "Wrap",
  copy: "Copy",
  copied: "Copied",
  notCopied: "Not copied",
  download: "Download",
  line: (line) => `Link to line ${line}`,
  whole: (characters) => `Show all ${number(characters)} characters`,
  summary: ({ error = 0, warning = 0 }, lines) =>
    [error && plural(error, "error"), warning && plural(warning, "warning"), plural(lines, "line")].filter(Boolean).join(", "),
  connecting: "Connecting…",
  live: "Live",
  reconnecting: (seconds) => (seconds > 0 ? `Reconnecting in ${number(seconds)} s` : "Reconnecting…"),
  ended: (outcome) => (outcome ? `Ended: ${outcome}` : "Ended"),
  lost: "The process that ran this job is gone",
  failed: (message) => `Given up: ${message}`,
  idle: "Not connected",
  resumed: (lost) => `resumed with ${number(lost)} lost`,
  dropped: (count) => `${number(count)} dropped by the cap`,
};

/** The connection line: what state the stream is in, what was lost on the way. `now` in milliseconds, as `Date.now()`; null where there is no clock. */
export function connectionText({ status, error, outcome, dropped, missed, resumes, retryAt }: ConnectionView, words: LogWords, now: number | null): string {
  const states: Record<ConnectionView["status"], () => string> = {
    idle: () => words.idle,
    connecting: () => words.connecting,
    open: () => words.live,
    reconnecting: () => words.reconnecting(retryAt === null || now === null ? 0 : Math.max(0, Math.ceil((retryAt - now) / 1000))),
    ended: () => words.ended(outcome),
    lost: () => words.lost,
    failed: () => words.failed(error?.message ?? ""),
  };
  const parts = [states[status]()];
  if (resumes > 0 || missed > 0) parts.push(words.resumed(missed));
  if (dropped > 0) parts.push(words.dropped(dropped));
  return parts.join(" · ");
}
