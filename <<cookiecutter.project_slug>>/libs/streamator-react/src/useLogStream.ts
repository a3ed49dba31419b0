"use client";

import * as React from "react";
import { Connection } from "./connection.js";
import { CONNECTING_SNAPSHOT, IDLE_SNAPSHOT, LogStore, type StoreSnapshot } from "./store.js";
import { useStreamDefaults } from "./streamDefaults.js";
import type { LogSnapshot, LogStream, LogStreamOptions } from "./types.js";
import { useSnapshot } from "./useSnapshot.js";

/**
 * Follows the stream at `url` and gives its lines, at most one render per animation frame.
 *
 * `url` is the stream's (".../{job_id}/stream"); null or undefined: idle. Another `url`, `mode`, `method`, `credentials`
 * or string `body` is another stream: it starts with no lines. All other options may change at any time.
 * Lines come in the server's order; none is lost or doubled over reconnects to a server that honours the cursor.
 */
export function useLogStream(url: string | null | undefined, own: LogStreamOptions = {}): LogStream {
  const options = useStreamDefaults(own);
  const { mode = "sse", method = "GET", credentials = "same-origin", body } = options;
  const key = url ? JSON.stringify([url, mode, method.toUpperCase(), credentials, typeof body === "string" ? body : null]) : null;

  const [store] = React.useState(() => new LogStore());
  const connection = React.useRef<Connection | null>(null);
  const latest = React.useRef(options);
  React.useEffect(() => {
    latest.current = options; // before the effect below, which may connect with them
  });

  React.useEffect(() => {
    const resumed = key !== null && store.key === key;
    if (!resumed) store.begin(key);
    if (key === null) return undefined;
    const [target, asMode, asMethod, withCredentials] = JSON.parse(key) as [string, typeof mode, string, typeof credentials];
    const opened = new Connection(
      { url: target, mode: asMode, method: asMethod, credentials: withCredentials },
      store,
      () => latest.current,
    );
    connection.current = opened;
    // An effect that runs anew (StrictMode, a hidden Activity shown again) goes on from the last line,
    // unless the stream had come to its end.
    if (!resumed || store.state.active) opened.start();
    return () => {
      opened.dispose();
      connection.current = null;
    };
  }, [key, store]);

  const close = React.useCallback(() => connection.current?.close(), []);
  const reconnect = React.useCallback(() => connection.current?.reconnect(), []);
  const clear = React.useCallback(() => store.clear(), [store]);

  const published = useSnapshot(store, SERVER_SNAPSHOT);
  // Until the effect has run, the store still holds the lines of the URL before.
  const snapshot = published.key === key ? published : key === null ? IDLE_SNAPSHOT : CONNECTING_SNAPSHOT;
  return React.useMemo(() => ({ ...pick(snapshot), close, reconnect, clear }), [snapshot, close, reconnect, clear]);
}

/** All of a snapshot but the stream that it belongs to. */
export function pick(snapshot: LogSnapshot & { key?: string | null }): LogSnapshot {
  const { key, ...rest } = snapshot;
  void key;
  return rest;
}

const SERVER_SNAPSHOT: StoreSnapshot = { ...IDLE_SNAPSHOT, key: null };
