"use client";

import * as React from "react";
import { targetOf } from "../core/connection.js";
import { follow } from "../core/logStream.js";
import type { LogStream, LogStreamOptions } from "../types.js";
import { useStreamDefaults } from "./streamDefaults.js";
import { useSnapshot } from "./useSnapshot.js";

/**
 * Follows the stream at `url` and returns its lines. Renders at most once per animation frame.
 *
 * `url` is the stream's (".../{job_id}/stream"); null or undefined: idle. Another `url`, `mode`, `method`, `credentials`
 * or string `body` is another stream, which starts without lines. All other options may change at any time.
 * Lines come in the server's order. A reconnect loses and repeats none if the server honours the cursor.
 */
export function useLogStream(url: string | null | undefined, own: LogStreamOptions = {}): LogStream {
  const options = useStreamDefaults(own);
  const { body } = options;
  const key = url ? JSON.stringify([targetOf(url, options), typeof body === "string" && body]) : null;

  const source = React.useMemo(() => follow(key && JSON.parse(key)[0]), [key]);
  React.useEffect(() => source.use(options)); // before the subscription below, which may connect with them
  const snapshot = useSnapshot(source, source.getSnapshot());
  return React.useMemo(() => {
    const { close, reconnect, clear } = source;
    return { ...snapshot, close, reconnect, clear };
  }, [snapshot, source]);
}
