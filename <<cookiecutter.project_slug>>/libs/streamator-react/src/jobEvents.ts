import { textOf } from "./formatEvent.js";
import type { StreamEvent } from "./types.js";

/** How far a job is, as its last `progress` event says. */
export interface JobProgress {
  /** The step's or stage's name. */
  readonly step: string | null;
  readonly message: string | null;
  /** 0 to 100; null where the job does not know. */
  readonly percent: number | null;
}

const STEPS = new Set(["progress", "step_started", "step_progress", "step_completed"]);

/**
 * The progress after an event: the one before where the event tells of none.
 * An event of the same step changes what it names; another step starts afresh.
 */
export function progressAfter(before: JobProgress | null, event: StreamEvent): JobProgress | null {
  if (!STEPS.has(event.event)) return before;
  const named = event.step ?? event.stage;
  const step = named === undefined || named === null ? (before?.step ?? null) : textOf(named);
  const same = before?.step === step ? before : null;
  return {
    step,
    message: event.message === undefined || event.message === null ? (same?.message ?? null) : textOf(event.message),
    percent: percentOf(event.percent ?? event.progress) ?? same?.percent ?? null,
  };
}

/** The text after an event: a `draft` brings all of it, a `token` what follows. */
export function draftAfter(before: string, event: StreamEvent): string {
  if (event.event === "draft" && typeof event.draft === "string") return event.draft;
  const token = event.token ?? event.text;
  return event.event === "token" && typeof token === "string" ? before + token : before;
}

/** A number as percent, within 0 and 100; null for anything else. */
export function percentOf(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? Math.min(100, Math.max(0, value)) : null;
}
