/** The agents' routes of the backend, typed. */

import { streamEvents } from "streamator-react";
import type { EventsHandle } from "streamator-react";
import { explain, request } from "../app/api";
import { session } from "../app/session";
import type { AgentActivity, AgentEvent, AgentFindings, Agents } from "../app/schema";

export type { AgentEvent, AgentFindings, DocumentFindings } from "../app/schema";

export type AgentName = AgentActivity["agent_name"];

/** The agents, and the run to follow; of a document the last in which it was worked on. */
export function getAgents(documentId: string | null, signal?: AbortSignal): Promise<Agents> {
  return request(documentId === null ? "api/agents" : `api/agents?${new URLSearchParams({ id: documentId })}`, { signal });
}

/** Where the reports of a run stream from: all of them, or those of one agent, or on one document. */
export function agentsUrl(run: string, kind: AgentName | null, documentId: string | null): string {
  const search = new URLSearchParams({ run });
  if (kind !== null) search.set("kind", kind);
  if (documentId !== null) search.set("id", documentId);
  return `api/agents/stream?${search}`;
}

/** Between two looks for a run that goes on. */
const LOOK_MS = 1_000;

export interface AgentStreamOptions {
  /** Only this agent; default: all of them. */
  readonly kind?: AgentName;
  /** Only what is about this document; default: about all. */
  readonly documentId?: string;
  /** Called each time that it cannot be followed, and is tried again. */
  readonly onError?: (message: string) => void;
}

/**
 * Calls `onReport` for each report of the agents, from the start of the present run on, and when that is over of the
 * next. A connection that breaks is mended; a run that could not be followed is told from its start again. It goes on
 * until it is closed.
 */
export function connectAgentStream(onReport: (report: AgentEvent) => void, options: AgentStreamOptions = {}): EventsHandle {
  const { kind = null, documentId = null, onError } = options;
  const closed = new AbortController();
  const { signal } = closed;
  let over: string | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const look = (): void => {
    if (!signal.aborted) timer = setTimeout(() => void follow(), LOOK_MS);
  };
  const follow = async (): Promise<void> => {
    try {
      const { run_id: run } = await getAgents(documentId, signal);
      if (signal.aborted) return;
      if (run === null || run === over) return look();
      streamEvents(agentsUrl(run, kind, documentId), {
        headers: session.headers,
        signal,
        onEvent: (event) => {
          if (event.stream === "agent") onReport(event as unknown as AgentEvent);
        },
        onEnd: () => {
          over = run;
          look();
        },
        onError: (error) => {
          if (error.kind === "interrupted") over = run; // its server has died: nothing more comes of it
          look();
          onError?.(error.detail ?? error.message);
        },
      });
    } catch (failure) {
      if (signal.aborted) return;
      look();
      onError?.(explain(failure));
    }
  };
  void follow();
  return {
    close: () => {
      closed.abort();
      clearTimeout(timer);
    },
  };
}

export function listFindings(limit: number, documentId: string | null, signal?: AbortSignal): Promise<AgentFindings> {
  const search = new URLSearchParams({ limit: String(limit) });
  if (documentId !== null) search.set("document_id", documentId);
  return request(`api/agents/findings?${search}`, { signal });
}

/** Has the agents work on a document again. */
export function forgetFindings(documentId: string): Promise<void> {
  return request(`api/agents/findings/${encodeURIComponent(documentId)}`, { method: "DELETE" });
}
