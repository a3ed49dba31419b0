/** The dashboard's routes of the backend, typed. */

import { request } from "../app/api";
import type { Job } from "../app/schema";

export type { Job, Stats, StatsJob } from "../app/schema";

/** The counts of the user's jobs, each time they change. */
export const STATS_URL = "api/stats/stream";

export async function listJobs(signal?: AbortSignal): Promise<readonly Job[]> {
  return (await request<{ jobs: readonly Job[] }>("api/jobs?limit=50", { signal })).jobs;
}

export function cancelJob(id: string): Promise<unknown> {
  return request(`api/job/${encodeURIComponent(id)}/cancel`, { method: "POST" });
}

/** Where a job's log streams from. */
export function logUrl(id: string): string {
  return `api/log/${encodeURIComponent(id)}/stream`;
}
