import type { FormatEvent, Formatted, LogLevel, StreamEvent } from "./types.js";

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
 * `overrides` come before BASE_EVENT_LABELS. An event without a label is shown by its `message`, and one that
 * has no message either makes no line.
 */
export function makeFormatEvent(overrides: EventLabels = {}): FormatEvent {
  // A Map, because an event may be named "constructor" or "__proto__".
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

/** The formatter of a stream that names none: the message, else the base label, else no line. */
export const defaultFormatEvent: FormatEvent = (event) => messageOf(event) ?? baseFormat(event);

const baseFormat = /* @__PURE__ */ makeFormatEvent();

/** How the words begin that people, syslog and loggers have for a success, a warning and an error, in small letters. */
const LEVELS = /^(?:(succ|ok$)|(warn)|(err|crit|fatal|severe|alert|emerg|panic))/;

/** A level as the panel knows it, by its word or by its number in Python's logging (10 to 50). Anything else is `info`. */
export function levelOf(level: unknown): LogLevel {
  if (level === "info" || level === undefined) return "info"; // most of them
  const number = typeof level === "number" ? level : 0;
  const [, success, warning, error] = LEVELS.exec(textOf(level).trim().toLowerCase()) ?? [];
  if (error || number >= 40) return "error";
  return warning || number >= 30 ? "warning" : success ? "success" : "info";
}

/** Any value as text. Never throws: the value may come from the wire. */
export function textOf(value: unknown): string {
  if (typeof value === "string") return value;
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return Object.prototype.toString.call(value); // nested so deeply that it can be read but not written
  }
}

function messageOf(event: StreamEvent): string | null {
  const message: unknown = event.message;
  return message === undefined || message === null ? null : textOf(message);
}

function withDetail(label: string, detail: unknown, separator: string): string {
  return detail === undefined || detail === null ? label : `${label}${separator}${textOf(detail)}`;
}
