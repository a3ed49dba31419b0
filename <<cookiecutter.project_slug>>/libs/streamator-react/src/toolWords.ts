import { number, type ConnectionView, type LogWords, type PanelWords } from "./words.js";

/** The words of the tools, and of the line below the log. */
export const TOOL_WORDS: Omit<LogWords, keyof PanelWords> = {
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
