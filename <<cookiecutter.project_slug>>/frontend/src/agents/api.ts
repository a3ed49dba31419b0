/** The agents' routes of the backend, typed. */

import { request } from "../app/api";

export interface AgentActivity {
  readonly agent_name: "coordinator" | "tagger" | "summariser" | "indexer";
  readonly status: "waiting" | "running" | "completed" | "failed";
  readonly message: string;
  readonly progress: number;
}

export interface Agents {
  readonly agents: readonly AgentName[];
  /** What the agents report to; null before the first run has begun. */
  readonly run_id: string | null;
  /** ISO 8601, by the clock that the reports are stamped with. */
  readonly now: string;
}

export interface AgentWork {
  readonly agent_name: AgentName;
  readonly status: "completed" | "failed";
  readonly finished_at: string;
}

export interface DocumentFindings {
  readonly document_id: string;
  readonly title: string;
  readonly tags: readonly string[];
  readonly summary: readonly string[];
  readonly related: readonly { readonly document_id: string; readonly title: string }[];
  readonly work: readonly AgentWork[];
}

export type AgentName = AgentActivity["agent_name"];

export function getAgents(signal?: AbortSignal): Promise<Agents> {
  return request("/api/agents", { signal });
}

/** Where the reports of a run stream from: all of them, or those of one agent, or on one document. */
export function agentsUrl(run: string, kind: AgentName | null, documentId: string | null): string {
  const search = new URLSearchParams({ run });
  if (kind !== null) search.set("kind", kind);
  if (documentId !== null) search.set("id", documentId);
  return `/api/agents/stream?${search}`;
}

export async function listFindings(limit: number, documentId: string | null, signal?: AbortSignal): Promise<readonly DocumentFindings[]> {
  const search = new URLSearchParams({ limit: String(limit) });
  if (documentId !== null) search.set("document_id", documentId);
  return (await request<{ documents: readonly DocumentFindings[] }>(`/api/agents/findings?${search}`, { signal })).documents;
}

/** Has the agents work on a document again. */
export function forgetFindings(documentId: string): Promise<void> {
  return request(`/api/agents/findings/${encodeURIComponent(documentId)}`, { method: "DELETE" });
}
