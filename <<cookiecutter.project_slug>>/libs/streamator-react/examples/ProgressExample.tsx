import { ProgressPanel, progressAfter, type JobProgress, type ProgressStage, type StreamEvent } from "streamator-react";
import { useReplay } from "./replay";

const STAGES: readonly ProgressStage[] = [
  { id: "load", label: "Load", icon: "📄" },
  { id: "write", label: "Write", icon: "✍️" },
  { id: "check", label: "Check", icon: "🔍" },
];

const RECORDING: readonly StreamEvent[] = [
  { event: "progress", t: 0.2, step: "load", message: "Reading the source", percent: 8 },
  { event: "progress", t: 1.2, step: "write", message: "Writing part 1 of 3", percent: 25 },
  { event: "progress", t: 2.4, step: "write", message: "Writing part 2 of 3", percent: 50 },
  { event: "progress", t: 3.6, step: "write", message: "Writing part 3 of 3", percent: 75 },
  { event: "progress", t: 4.8, step: "check", message: "Looking up the links", percent: 90 },
  { event: "progress", t: 6, message: "3 parts written, 12 links good", percent: 100 },
];

export function ProgressExample() {
  const { events, playing, startedAt, play } = useReplay(RECORDING);
  const progress = events.reduce<JobProgress | null>(progressAfter, null);
  return (
    <>
      <ProgressPanel
        {...progress}
        stages={STAGES}
        state={playing ? "running" : "completed"}
        startedAt={startedAt}
        endedAt={playing ? null : startedAt + 6000}
        aria-label="Progress of the report"
      />
      <button type="button" className="button" onClick={play}>
        Play again
      </button>
    </>
  );
}
