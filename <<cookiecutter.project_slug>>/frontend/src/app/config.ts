/** What the page needs to know of the server it talks to. */

import { createContext, useContext } from "react";

/** Where the logs of jobs are kept. */
export type StoreName = "memory" | "dynamo" | "redis";

export interface Config {
  readonly project_name: string;
  readonly description?: string;
  readonly store: StoreName;
  readonly max_upload_bytes: number;
  readonly max_running_jobs: number;
}

/** Null until the server has told it. */
export const ConfigContext = createContext<Config | null>(null);

export function useConfig(): Config | null {
  return useContext(ConfigContext);
}
