/** The agents' routes of the backend, typed. */

import { request } from "../app/api";
import type { AgentActivity, AgentFindings, Agents, DocumentFindings } from "../app/schema";

export type { DocumentFindings } from "../app/schema";

export type AgentName = AgentActivity["agent_name"];

export function getAgents(signal?: AbortSignal): Promise<Agents> {
  return request("api/agents", { signal });
}

/** Where the reports of a run stream from: all of them, or those of one agent, or on one document. */
export function agentsUrl(run: string, kind: AgentName | null, documentId: string | null): string {
  const search = new URLSearchParams({ run });
  if (kind !== null) search.set("kind", kind);
  if (documentId !== null) search.set("id", documentId);
  return `api/agents/stream?${search}`;
}

export async function listFindings(limit: number, documentId: string | null, signal?: AbortSignal): Promise<readonly DocumentFindings[]> {
  const search = new URLSearchParams({ limit: String(limit) });
  if (documentId !== null) search.set("document_id", documentId);
  return (await request<AgentFindings>(`api/agents/findings?${search}`, { signal })).documents;
}

/** Has the agents work on a document again. */
export function forgetFindings(documentId: string): Promise<void> {
  return request(`api/agents/findings/${encodeURIComponent(documentId)}`, { method: "DELETE" });
}
