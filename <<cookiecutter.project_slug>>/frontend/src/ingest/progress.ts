/** How far an ingest job is, as its events say. */

import { useCallback, useRef, useState } from "react";
import { progressAfter } from "streamator-react";
import type { JobProgress, ProgressStage, StreamEvent } from "streamator-react";
import type { IngestProgress } from "./api";

type Step = IngestProgress["step"];

/** The steps begin and end the parts of the work: one sign for each part. */
const stageOfStep: Record<Step, string> = {
  extracting_id: "check",
  extracted_id: "check",
  checking_cache: "check",
  fetching: "fetch",
  fetched: "fetch",
  archiving: "archive",
  archived: "archive",
  storing: "store",
  stored: "store",
};

export const stages: readonly ProgressStage[] = [
  { id: "check", label: "Check", icon: "🔍" },
  { id: "fetch", label: "Fetch", icon: "🌐" },
  { id: "archive", label: "Archive", icon: "📦" },
  { id: "store", label: "Store", icon: "📚" },
];

export function stageOf(step: string | null): string | null {
  return step !== null && step in stageOfStep ? stageOfStep[step as Step] : null;
}

/** The last progress that a log told, and what is to be called with each of its events. At its end it says what came of it. */
export function useProgress(): [JobProgress | null, (event: StreamEvent) => void] {
  const [progress, setProgress] = useState<JobProgress | null>(null);
  const latest = useRef<JobProgress | null>(null);
  const onEvent = useCallback((event: StreamEvent) => {
    const before = latest.current;
    if (event.event === "complete") latest.current = { step: null, percent: null, ...before, message: event.message ?? null };
    else latest.current = progressAfter(before, event);
    if (latest.current !== before) setProgress(latest.current);
  }, []);
  return [progress, onEvent];
}
