import { attemptOf, outcomeOf, textOf } from "../transport/event.js";
import type { JobAttempt, StreamEvent } from "../types.js";

/** The attempts of a job that has begun. */
export const FIRST_ATTEMPT: readonly JobAttempt[] = [{ attempt: 1, reason: null, outcome: null, startedAt: null }];

/** The attempts after an event: an `attempt` begins one, `done` says how the last one ended. Any other event changes nothing. */
export function attemptsAfter(before: readonly JobAttempt[], event: StreamEvent): readonly JobAttempt[] {
  const attempt = attemptOf(event);
  if (attempt !== null) {
    const reason = event.reason ? textOf(event.reason) : null;
    return [...before.filter((earlier) => earlier.attempt < attempt), { attempt, reason, outcome: null, startedAt: null }];
  }
  return event.event === "done" ? withLast(before, { outcome: outcomeOf(event) }) : before;
}

/** The attempts with a change of the last one. */
export function withLast(attempts: readonly JobAttempt[], change: Partial<JobAttempt>): readonly JobAttempt[] {
  return attempts.map((attempt, index) => (index === attempts.length - 1 ? { ...attempt, ...change } : attempt));
}

/** How far a job is, by its last `progress` event. */
export interface JobProgress {
  /** The step's or stage's name. */
  readonly step: string | null;
  readonly message: string | null;
  /** 0 to 100; null if the job does not know. */
  readonly percent: number | null;
}

const STEPS = new Set(["progress", "step_started", "step_progress", "step_completed"]);

/**
 * The progress after an event. An event of the same step changes the fields that it has; another step starts over, and
 * another attempt of the job has none yet. Any other event changes nothing.
 */
export function progressAfter(before: JobProgress | null, event: StreamEvent): JobProgress | null {
  if (attemptOf(event) !== null) return null;
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

/** The text after an event: `draft` replaces it, `token` appends to it, another attempt of the job begins without one. */
export function draftAfter(before: string, event: StreamEvent): string {
  if (attemptOf(event) !== null) return "";
  if (event.event === "draft" && typeof event.draft === "string") return event.draft;
  const token = event.token ?? event.text;
  return event.event === "token" && typeof token === "string" ? before + token : before;
}

/** A number limited to 0 to 100; null for anything else. */
export function percentOf(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? Math.min(100, Math.max(0, value)) : null;
}

/** What one agent, worker or thread is doing. */
export interface Activity {
  /** Each id has one lane. */
  readonly id: string;
  readonly name: string;
  /** `running`, `completed`, `failed`, `cancelled`, `idle`, or a word of yours, which counts as running. */
  readonly status: string;
  readonly message?: string | null;
  /** 0 to 100, if known. */
  readonly progress?: number | null;
  /** The last sign of life: a Date, milliseconds since 1970, or a date in ISO 8601. */
  readonly updatedAt?: Date | number | string | null;
  /** What it works on. */
  readonly source?: string | null;
}

/**
 * The lanes after an event `{stream: "agent", source_id, timestamp, payload: {agent_name, status, message, progress}}`,
 * one for each agent, in order of arrival. Fields that a payload does not have stay. Another attempt of the job has no lanes
 * yet. Any other event changes nothing.
 * A timestamp that is a number is in seconds since 1970.
 */
export function activitiesAfter(before: readonly Activity[], event: StreamEvent): readonly Activity[] {
  const { stream, payload, timestamp, source_id: source } = event;
  if (attemptOf(event) !== null) return [];
  if (stream !== "agent" || typeof payload !== "object" || payload === null) return before;
  const { agent_name: name, status, message, progress } = payload as Record<string, unknown>;
  if (typeof name !== "string") return before;
  const place = before.findIndex(({ id }) => id === name);
  const earlier = before[place];
  const activity: Activity = {
    id: name,
    name,
    status: typeof status === "string" ? status : (earlier?.status ?? "running"),
    message: typeof message === "string" ? message : (earlier?.message ?? null),
    progress: typeof progress === "number" ? progress : (earlier?.progress ?? null),
    updatedAt: typeof timestamp === "number" ? timestamp * 1000 : typeof timestamp === "string" ? timestamp : (earlier?.updatedAt ?? null),
    source: typeof source === "string" ? source : (earlier?.source ?? null),
  };
  return place === -1 ? [...before, activity] : before.map((other, index) => (index === place ? activity : other));
}
