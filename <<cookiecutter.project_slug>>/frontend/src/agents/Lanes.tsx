import { useEffect, useMemo, useReducer, useRef, useState } from "react";
import { ActivityPanel, useLogStream } from "streamator-react";
import type { LogStream } from "streamator-react";
import "streamator-react/panels.css";
import { explainHere } from "../app/api";
import { useResource } from "../app/resource";
import { useBackAtOnce } from "../app/useBackAtOnce";
import { agentsUrl, getAgents } from "./api";
import type { AgentName } from "./api";
import { laneWords, lanesAfter, shownLanes } from "./reports";

/** Between two looks for a run, while there is none to follow. */
const LOOK_MS = 1_000;
/** Three heartbeats. */
const STALE_SECONDS = 30;
/** The findings are asked for about when the reports are: by so much one of them may be the older one. */
const SLACK_MS = 2_000;
/** Agents show that they are there whatever they have finished. */
const NEVER: readonly string[] = [];

export interface LanesProps {
  /** Only this agent; null: all of them. */
  readonly kind: AgentName | null;
  /** Only what is about this document; null: about all. */
  readonly documentId: string | null;
  /** Somebody has finished something since this is shown. */
  readonly onWorked: () => void;
}

/** A live lane for each agent. It follows the present run, and when that one is over the next. */
export function Lanes({ kind, documentId, onWorked }: LanesProps) {
  const [lanes, report] = useReducer(lanesAfter, []);
  const over = useRef(false);
  const [shownAt] = useState(() => Date.now());
  const { data, error, refresh } = useResource(`agents:${documentId ?? ""}`, (signal) => loadAgents(documentId, signal), (agents) =>
    over.current || (agents?.run_id ?? null) === null ? LOOK_MS : null,
  );
  const run = data?.run_id ?? null;
  const stream = useLogStream(run === null ? null : agentsUrl(run, kind, documentId), {
    interval: 2_000,
    formatEvent: () => null, // lanes, not lines
    onEvent: (event) => {
      report(event);
      // What a run tells of its past was found out before the findings were asked for.
      const at = Date.parse(String(event.timestamp)) + (data?.clockSkew ?? 0);
      if (event.event === "activity_completed" && at > shownAt - SLACK_MS) onWorked();
    },
  });

  useBackAtOnce(stream);
  const { status } = stream;
  useEffect(() => {
    over.current = status === "ended" || status === "lost" || status === "failed";
    if (over.current) refresh();
  }, [status, refresh]);

  const shown = useMemo(() => shownLanes(lanes), [lanes]);
  const problem = explainHere(error);
  const { badge, tone } = data === null ? CONNECTING : condition(run, status);
  return (
    <section className="lanes" aria-labelledby="lanes-heading">
      <div className="section-head">
        <h2 id="lanes-heading">At work</h2>
        <span className={`badge badge--${tone}`}>{badge}</span>
      </div>
      {problem !== null && (
        <p className="note note--bad" role="alert">
          {problem}
        </p>
      )}
      <ActivityPanel
        activities={shown}
        staleSeconds={status === "ended" ? Infinity : STALE_SECONDS} // nothing is to be heard of before the next run
        resting={NEVER}
        clockSkew={data?.clockSkew ?? 0}
        words={laneWords}
        aria-label="Agents"
      />
    </section>
  );
}

async function loadAgents(documentId: string | null, signal: AbortSignal) {
  const { run_id, now } = await getAgents(documentId, signal);
  // To the second: what is no news changes nothing on the page.
  return { run_id, clockSkew: Math.round((Date.now() - Date.parse(now)) / 1000) * 1000 };
}

const CONNECTING = { badge: "Connecting", tone: "busy" };

function condition(run: string | null, status: LogStream["status"]): { badge: string; tone: string } {
  if (run === null) return { badge: "No run yet", tone: "quiet" };
  if (status === "open") return { badge: "Live", tone: "live" };
  if (status === "reconnecting") return { badge: "Reconnecting", tone: "warn" };
  if (status === "lost") return { badge: "Gone silent", tone: "bad" };
  if (status === "ended" || status === "failed") return { badge: "Waiting for the next run", tone: status === "ended" ? "quiet" : "warn" };
  return CONNECTING;
}
