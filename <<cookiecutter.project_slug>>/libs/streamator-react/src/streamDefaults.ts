"use client";

import * as React from "react";
import type { LogStreamOptions } from "./types.js";

/** What all streams of a page may share. */
export type SharedOptions = Pick<LogStreamOptions, "headers" | "signUrl" | "credentials">;

/**
 * Options for every hook below it: `<StreamDefaults.Provider value={{ headers }}>`. A hook's own options win.
 * A change counts from the next attempt on.
 */
export const StreamDefaults: React.Context<SharedOptions> = /* @__PURE__ */ React.createContext<SharedOptions>({});

/** The options of a hook, and the defaults for those that it leaves out. */
export function useStreamDefaults<Options extends SharedOptions>(options: Options): Options {
  const { headers, signUrl, credentials } = React.useContext(StreamDefaults);
  return {
    ...options,
    headers: options.headers ?? headers,
    signUrl: options.signUrl ?? signUrl,
    credentials: options.credentials ?? credentials,
  };
}
