/** What is loaded when it is first used. Each of these modules puts what it has in here. */

import { reason } from "../reason.js";
import type { StreamMode } from "../types.js";
import type { Recovery } from "./recovery.js";
import type { Transport } from "./transport.js";

type Loaded = { [mode in Exclude<StreamMode, "sse">]: Transport } & { recovery: Recovery };

/** What is here by now. */
export const loaded: Partial<Loaded> = {};

/** What is registered under a name is not loaded any more. */
export function register<Name extends keyof Loaded>(name: Name, what: Loaded[Name]): void {
  loaded[name] = what;
}

/** Loads what is not here yet. Rejects where that fails, in words for the user; the next call tries again. */
export async function have<Name extends keyof Loaded>(name: Name, load: () => Promise<unknown>): Promise<Loaded[Name]> {
  try {
    if (!loaded[name]) await load();
  } catch (error) {
    throw new Error(`${reason(error)}: import "streamator-react/${name}" once, into the page's own bundle`, { cause: error });
  }
  return loaded[name] as Loaded[Name];
}

export const haveRecovery = (): Promise<Recovery> => have("recovery", () => import("../recovery.js"));
