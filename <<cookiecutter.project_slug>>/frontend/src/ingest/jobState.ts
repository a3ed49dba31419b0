/** What a job's card says: one badge, and a sentence where the badge is not enough. */

import type { StoreName } from "../app/config";
import type { Job } from "./api";

/** What the card knows of the job's log; null while the log is closed. */
export interface LogView {
  readonly polled: boolean;
  readonly status: "idle" | "connecting" | "open" | "reconnecting" | "ended" | "lost" | "failed";
  readonly outcome: "completed" | "failed" | "cancelled" | null;
  readonly error: { readonly kind: string; readonly status?: number; readonly message: string } | null;
}

export interface JobState {
  readonly badge: string;
  readonly tone: "live" | "busy" | "ok" | "warn" | "bad" | "quiet";
  /** Can it be cancelled, does its clock run? */
  readonly running: boolean;
  /** What there is to say about the log, or about reading it. */
  readonly note: string | null;
  /** Why the job did not get to its end, in the server's words. */
  readonly reason: string | null;
}

/** Is the log of a job that another server runs not in their store yet? A job that runs on none is not called running. */
export function isOnItsWay(job: Job, view: LogView | null, store: StoreName | null): boolean {
  const shared = store === "dynamo" || store === "redis";
  return shared && job.status === "running" && view?.status === "failed" && view.error?.kind === "gone";
}

export function jobState(job: Job, view: LogView | null, store: StoreName | null): JobState {
  const gone = view?.status === "failed" && view.error?.kind === "gone";
  // What the job came to, first by what the server keeps, then by the last line of the log.
  const ended = job.status === "running" ? (view?.outcome ?? null) : job.status === "interrupted" ? null : job.status;
  if (ended !== null) {
    const note = gone ? missingLog(store) : refusal(view);
    if (ended === "completed") return { badge: "Completed", tone: "ok", running: false, note, reason: null };
    if (ended === "cancelled") return { badge: "Cancelled", tone: "quiet", running: false, note, reason: null };
    return { badge: "Failed", tone: "bad", running: false, note, reason: job.error };
  }

  if (isOnItsWay(job, view, store)) return { badge: "Connecting", tone: "busy", running: true, note: null, reason: null };
  if (gone) return { badge: "Gone", tone: "bad", running: false, note: goneJob(store), reason: null };

  if (job.status === "interrupted") {
    return {
      badge: "Interrupted",
      tone: "warn",
      running: false,
      note: view === null ? null : "The server stopped while this job ran. Its log up to then is below. Start the job again.",
      reason: job.error,
    };
  }

  if (view === null) return { badge: "Running", tone: "busy", running: true, note: null, reason: null };
  switch (view.status) {
    case "open":
      return view.polled
        ? { badge: "Polling", tone: "live", running: true, note: null, reason: null }
        : { badge: "Live", tone: "live", running: true, note: null, reason: null };
    case "reconnecting":
      return {
        badge: "Reconnecting",
        tone: "warn",
        running: true,
        note: null,
        reason: null,
      };
    case "lost":
      return {
        badge: "Lost",
        tone: "bad",
        running: true,
        note: "The process that ran this job has gone silent. What it logged is below. If it comes back, or another attempt begins, the log goes on here; if not, start the job again.",
        reason: null,
      };
    case "failed":
      return { badge: "No log", tone: "bad", running: true, note: refusal(view), reason: null };
    default:
      return { badge: "Connecting", tone: "busy", running: true, note: null, reason: null };
  }
}

function refusal(view: LogView | null): string | null {
  if (view?.status !== "failed") return null;
  return `The log cannot be shown: ${view.error?.message ?? "the server refused it"}`;
}

function goneJob(store: StoreName | null): string {
  if (store === "dynamo") {
    return "This job is gone: its log has expired in the DynamoDB table, or was never written there. Start it again.";
  }
  if (store === "redis") return "This job is gone: its log has expired in Redis, or was never written there. Start it again.";
  return "This job is gone: the server was restarted and keeps logs in memory. Start it again or use the DynamoDB store.";
}

function missingLog(store: StoreName | null): string {
  return store === "dynamo" || store === "redis"
    ? "The log of this job has expired."
    : "The log of this job is gone: the server keeps logs in memory, for a while and until it is restarted.";
}
