/** What the page needs to know of the server it talks to. */

import { createContext, useContext } from "react";
import type { Config } from "./schema";

export type { Config };

/** Where the logs of jobs are kept. */
export type StoreName = Config["store"];

/** Null until the server has told it. */
export const ConfigContext = createContext<Config | null>(null);

export function useConfig(): Config | null {
  return useContext(ConfigContext);
}
