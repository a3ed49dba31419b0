import { ActivityPanel, activitiesAfter, type Activity, type StreamEvent } from "streamator-react";
import { useReplay } from "./replay";

function report(t: number, agent: string, source: string, payload: { status?: string; message: string; progress?: number }): StreamEvent {
  return { stream: "agent", event: "update", t, source_id: source, payload: { agent_name: agent, ...payload } };
}

const RECORDING: readonly StreamEvent[] = [
  report(0.1, "Coordinator", "library", { status: "running", message: "3 documents are new" }),
  report(0.6, "Tagger", "annual-report.pdf", { status: "running", message: "Reading", progress: 10 }),
  report(0.9, "Summariser", "minutes.md", { status: "running", message: "12 paragraphs", progress: 5 }),
  report(1.8, "Tagger", "annual-report.pdf", { message: "40 words found", progress: 45 }),
  report(2.6, "Summariser", "minutes.md", { message: "Weighing sentences", progress: 40 }),
  report(3.4, "Tagger", "annual-report.pdf", { status: "completed", message: "Tagged: budget, energy, staff", progress: 100 }),
  // The summariser sends nothing more, so its lane goes grey.
  ...[5, 7, 9, 11, 13].map((t) => report(t, "Coordinator", "library", { message: "Waiting for the summariser" })),
  report(15, "Coordinator", "library", { status: "completed", message: "1 document tagged, 1 left for the next run" }),
];

export function ActivityExample() {
  const { events, startedAt, play } = useReplay(RECORDING);
  const activities = events
    .map((event): StreamEvent => ({ ...event, timestamp: startedAt / 1000 + (event.t ?? 0) })) // a server sends the time with it
    .reduce<readonly Activity[]>(activitiesAfter, []);
  return (
    <>
      <ActivityPanel activities={activities} staleSeconds={5} aria-label="Agents" />
      <button type="button" className="button" onClick={play}>
        Play again
      </button>
    </>
  );
}
