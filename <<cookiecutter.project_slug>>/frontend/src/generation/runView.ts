/** What a run's card shows of it: its stages by its events, and one badge. */

import type { JobState, StreamEvent, StreamStatus } from "streamator-react";
import type { GenerationComplete, GenerationProgress, Run } from "./api";

type Stage = GenerationProgress["stage"];

export interface RunEvents {
  /** The stage that it is at; of a run that failed, the one that it did not get past. */
  readonly stage: Stage | null;
  /** Whether a draft was sent back. */
  readonly retried: boolean;
  /** What the model has said to itself. */
  readonly reasoning: string;
  /** The end, where there is an output. */
  readonly complete: GenerationComplete | null;
}

/** What the events of a run tell beyond its progress and its draft. */
export function readEvents(events: readonly StreamEvent[]): RunEvents {
  let stage: Stage | null = null;
  let retried = false;
  let reasoning = "";
  let complete: GenerationComplete | null = null;
  for (const event of events) {
    if (event.event === "attempt") [stage, retried, reasoning, complete] = [null, false, "", null]; // it begins anew
    if (event.event === "complete") complete = event as unknown as GenerationComplete;
    if (event.event === "reasoning" && typeof event.reasoning === "string") reasoning += event.reasoning;
    if (event.event !== "progress") continue;
    const at = (event as unknown as GenerationProgress).stage;
    if (at === "retry") retried = true;
    if (at !== "fail") stage = at;
  }
  return { stage, retried, reasoning, complete };
}

export interface RunBadge {
  readonly text: string;
  readonly tone: "live" | "busy" | "ok" | "warn" | "bad" | "quiet";
  /** Can it be cancelled? */
  readonly running: boolean;
}

/** What is known of a run while it is followed; null while it is not. */
export interface Followed {
  readonly state: JobState;
  readonly status: StreamStatus;
}

/** One word on a run: first by what the server keeps, then by what its stream says. */
export function runBadge(status: Run["status"] | null, followed: Followed | null): RunBadge {
  const ended = status === "running" || status === null ? null : status;
  switch (ended ?? followed?.state ?? "running") {
    case "completed":
      return { text: "Completed", tone: "ok", running: false };
    case "failed":
      return { text: "Failed", tone: "bad", running: false };
    case "cancelled":
      return { text: "Cancelled", tone: "quiet", running: false };
    case "interrupted":
      return { text: "Interrupted", tone: "warn", running: false };
    case "lost":
      return { text: "Lost", tone: "bad", running: true };
    case "starting":
      return { text: "Starting", tone: "busy", running: true };
    default:
  }
  if (followed?.status === "reconnecting") return { text: "Reconnecting", tone: "warn", running: true };
  return followed?.status === "open" ? { text: "Live", tone: "live", running: true } : { text: "Running", tone: "busy", running: true };
}
