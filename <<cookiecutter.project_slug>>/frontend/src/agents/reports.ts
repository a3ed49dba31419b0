/** What the panel shows of the agents' reports. */

import { activitiesAfter } from "streamator-react";
import type { Activity, ActivityWords, StreamEvent } from "streamator-react";
import { formatDuration } from "../app/format";
import type { AgentName } from "./api";

export const agentTitles: Readonly<Record<AgentName, string>> = {
  coordinator: "Coordinator",
  tagger: "Tagger",
  summariser: "Summariser",
  indexer: "Indexer",
};

/** The lanes after a report. A heartbeat says that an agent is there: what it finished last stays in its lane. */
export function lanesAfter(before: readonly Activity[], event: StreamEvent): readonly Activity[] {
  const after = activitiesAfter(before, event);
  if (event.event !== "heartbeat") return after;
  return after.map((lane, index) => {
    const earlier = before[index];
    const finished = earlier?.status === "completed" || earlier?.status === "failed";
    return finished ? { ...earlier, updatedAt: lane.updatedAt ?? null } : lane;
  });
}

/** The lanes as people read them. What an agent works on is in its message. */
export function shownLanes(lanes: readonly Activity[]): readonly Activity[] {
  return lanes.map((lane) => ({ ...lane, name: agentTitles[lane.name as AgentName] ?? lane.name, source: null }));
}

const statuses: Readonly<Record<string, string>> = { waiting: "Waiting", running: "At work", completed: "Done", failed: "Gave up" };

export const laneWords: Partial<ActivityWords> = {
  status: (status) => statuses[status] ?? status,
  age: (seconds) => (seconds < 2 ? "heard just now" : `heard ${formatDuration(seconds)} ago`),
  stale: (seconds) => `silent for ${formatDuration(seconds)}`,
  empty: "Waiting for the agents to report.",
};
