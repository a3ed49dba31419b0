import type { JobOutcome, LogEntry, StreamEvent } from "../types.js";

/** An event with its id as the server wrote it: `""` or null without one. */
export interface Incoming {
  readonly id: string | null;
  readonly event: StreamEvent;
}

/** The position before the first event. */
export const NOWHERE = -1;

/** An id as a number; null if it is none (another server's). */
export function positionOf(id: string | null): number | null {
  return id !== null && /^[0-9]{1,15}$/.test(id) ? Number(id) : null;
}

/** The event in the data of a server-sent event. Anything but a JSON object becomes the message of a `log` event. */
export function decodeEvent(name: string, data: string): StreamEvent {
  let value: unknown;
  try {
    value = JSON.parse(data);
  } catch {
    value = data; // not JSON: another server's plain text
  }
  return asEvent(value, name || "log");
}

/** Any value as an event. `name` is used where the value has no `event` of its own. */
export function asEvent(value: unknown, name = "log"): StreamEvent {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return { event: name, message: textOf(value) };
  }
  const fields = value as Record<string, unknown>;
  return typeof fields.event === "string" ? (fields as StreamEvent) : { ...fields, event: name };
}

/** Whether the server reports on the process that runs the job. Such an event is not in the log and has no `t`; a job's own event named `status` has one. */
export function isProducerStatus(event: StreamEvent): boolean {
  return event.event === "status" && event.t === undefined;
}

/** The number of the attempt that this event begins, from 2; null for any other event. */
export function attemptOf({ event, attempt }: StreamEvent): number | null {
  return event === "attempt" && Number.isSafeInteger(attempt) && Number(attempt) > 1 ? Number(attempt) : null;
}

/** How the job ended, by its `done` event; null if that does not say. */
export function outcomeOf({ status }: StreamEvent): JobOutcome | null {
  return status === "completed" || status === "failed" || status === "cancelled" ? status : null;
}

/** Any value as text. Never throws: the value may come from the wire. */
export function textOf(value: unknown): string {
  if (typeof value === "string") return value;
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return Object.prototype.toString.call(value); // JSON.parse takes deeper nesting than JSON.stringify
  }
}

/** Whether the line holds all that is in the event. */
export function saysAll({ text, seconds, level, event }: LogEntry, of: StreamEvent): boolean {
  return of.message === text && of.t === seconds && of.level === level && of.event === event && Object.keys(of).length === 4;
}
