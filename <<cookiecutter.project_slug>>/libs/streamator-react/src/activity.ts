import type { StreamEvent } from "./types.js";

/** What one agent, worker or thread is at. */
export interface Activity {
  /** One lane for each. */
  readonly id: string;
  readonly name: string;
  /** `running`, `completed`, `failed`, `cancelled`, `idle`, or a word of yours, which counts as at work. */
  readonly status: string;
  readonly message?: string | null;
  /** 0 to 100; nothing where it is not known. */
  readonly progress?: number | null;
  /** The last sign of life: a Date, milliseconds since 1970, or a date in ISO 8601. */
  readonly updatedAt?: Date | number | string | null;
  /** What it works on. */
  readonly source?: string | null;
}

/**
 * The lanes after an event `{stream: "agent", source_id, timestamp, payload: {agent_name, status, message, progress}}`,
 * one for each agent, in the order in which they came. What a payload does not name stays. Any other event changes nothing.
 * A timestamp that is a number is in seconds since 1970.
 */
export function activitiesAfter(before: readonly Activity[], event: StreamEvent): readonly Activity[] {
  const { stream, payload, timestamp, source_id: source } = event;
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
