import { COPY_WORDS } from "../parts/TextActions.js";
import { number, type ConnectionView, type PanelWords } from "./words.js";

/** The words of the tools and of the connection line. */
export const TOOL_WORDS = {
  find: "Find",
  /** `current` of `count` lines that match; 0 before the first step. */
  matches: (current: number, count: number): string => (count === 0 ? "none" : `${current > 0 ? `${number(current)} of ` : ""}${number(count)}`),
  next: "Next match",
  previous: "Previous match",
  levels: "Levels",
  /** The word for one line of a level, or for `count` of them. The panel puts the number before it. */
  level: (level: string, count = 1): string => (count !== 1 && (level === "error" || level === "warning") ? `${level}s` : level),
  attempts: "Attempts",
  allAttempts: "All attempts",
  /** An attempt whose first line does not name it. */
  attempt: (attempt: number): string => `Attempt ${number(attempt)}`,
  time: "Time",
  elapsed: "elapsed",
  wall: "clock",
  off: "no time",
  wrap: "Wrap",
  ...COPY_WORDS,
  connecting: "Connecting…",
  live: "Live",
  /** `seconds` until the next attempt; 0: it is under way. */
  reconnecting: (seconds: number): string => (seconds > 0 ? `Reconnecting in ${number(seconds)} s` : "Reconnecting…"),
  ended: (outcome: ConnectionView["outcome"]): string => (outcome ? `Ended: ${outcome}` : "Ended"),
  lost: "The process that ran this job is gone",
  failed: (message: string): string => `Given up: ${message}`,
  idle: "Not connected",
  resumed: (lost: number): string => `resumed with ${number(lost)} lost`,
  dropped: (count: number): string => `${number(count)} dropped by the cap`,
};

/** All words of the panel. Give `LogPanel` those that you translate, as `words`. */
export type LogWords = PanelWords & typeof TOOL_WORDS;

/** The text of the connection line: the stream's state and the lost lines. `now`: milliseconds as `Date.now()`, or null without a clock. */
export function connectionText({ status, error, outcome, dropped, missed, resumes, retryAt }: ConnectionView, words: typeof TOOL_WORDS, now: number | null): string {
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
