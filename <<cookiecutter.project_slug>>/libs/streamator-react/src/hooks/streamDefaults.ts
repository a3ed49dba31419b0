"use client";

import * as React from "react";
import type { LogStreamOptions } from "../types.js";

/** The options that all streams of a page may share. */
export type SharedOptions = Pick<LogStreamOptions, "headers" | "signUrl" | "credentials">;

/**
 * Options for all hooks below it: `<StreamDefaults.Provider value={{ headers }}>`. A hook's own options win.
 * A change takes effect with the next attempt.
 */
export const StreamDefaults: React.Context<SharedOptions> = /* @__PURE__ */ React.createContext<SharedOptions>({});

/** A hook's options, with the page's defaults. */
export function useStreamDefaults<Options extends SharedOptions>(options: Options): Options {
  const { headers, signUrl, credentials } = React.useContext(StreamDefaults);
  return {
    ...options,
    headers: options.headers ?? headers,
    signUrl: options.signUrl ?? signUrl,
    credentials: options.credentials ?? credentials,
  };
}
