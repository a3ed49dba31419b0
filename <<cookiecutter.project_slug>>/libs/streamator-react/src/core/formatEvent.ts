import { textOf } from "../transport/event.js";
import type { FormatEvent, Formatted, LogLevel, StreamEvent } from "../types.js";

/** A label: a text, null for "no line", or a function of the event. */
export type EventLabel = string | null | ((event: StreamEvent) => Formatted);

/** Event types by name, each with its label. */
export type EventLabels = Readonly<Record<string, EventLabel>>;

/** Labels for the events that streamator's own jobs send. */
export const BASE_EVENT_LABELS = {
  page_loaded: () => "📄 Page loaded",
  batch_started: () => "📦 Batch started",
  loading_strategy: (event) => withDetail("⚙️ Loading strategy", event.strategy, ": "),
  llm_started: () => "🤖 LLM started",
  llm_done: () => "🤖 LLM done",
  cache_hit: () => "⚡ Cache hit",
  search_started: () => "🔍 Search started",
  search_done: () => "🔍 Search done",
  browser_ready: () => "🌐 Browser ready",
  retry: (event) => withDetail("🔄 Retry", event.attempt, " "),
} as const satisfies Record<string, (event: StreamEvent) => string>;

/**
 * Makes a formatter from labels: `makeFormatEvent({ scraping: (e) => `Scraping ${e.url}` })`.
 *
 * `overrides` come before BASE_EVENT_LABELS. An event without a label is shown by its `message`. One without a message
 * makes no line.
 */
export function makeFormatEvent(overrides: EventLabels = {}): FormatEvent {
  // A Map: an event may be named "constructor" or "__proto__".
  const labels = new Map<string, EventLabel>(Object.entries(BASE_EVENT_LABELS));
  for (const [name, label] of Object.entries(overrides)) {
    if (label !== undefined) labels.set(name, label);
  }
  return (event) => {
    const label = labels.get(event.event);
    if (label === undefined) return messageOf(event);
    return typeof label === "function" ? label(event) : label;
  };
}

/** The default formatter: the message, else the base label, else no line. */
export const defaultFormatEvent: FormatEvent = (event) => messageOf(event) ?? baseFormat(event);

const baseFormat = /* @__PURE__ */ makeFormatEvent();

/** How people, syslog and loggers begin their words for a success, a warning and an error, in lower case. */
const LEVELS = /^(?:(succ|ok$)|(warn)|(err|crit|fatal|severe|alert|emerg|panic))/;

/** The level for a word, or for a number of Python's logging (10 to 50). Anything else is `info`. */
export function levelOf(level: unknown): LogLevel {
  if (level === "info" || level === undefined) return "info"; // most events, in an eighth of the time
  const number = typeof level === "number" ? level : 0;
  const [, success, warning, error] = LEVELS.exec(textOf(level).trim().toLowerCase()) ?? [];
  if (error || number >= 40) return "error";
  return warning || number >= 30 ? "warning" : success ? "success" : "info";
}

function messageOf(event: StreamEvent): string | null {
  const message: unknown = event.message;
  return message === undefined || message === null ? null : textOf(message);
}

function withDetail(label: string, detail: unknown, separator: string): string {
  return detail === undefined || detail === null ? label : `${label}${separator}${textOf(detail)}`;
}
