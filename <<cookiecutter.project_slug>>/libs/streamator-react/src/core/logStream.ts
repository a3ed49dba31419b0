import type { Target } from "../transport/transport.js";
import type { LogSnapshot, LogStream, LogStreamOptions } from "../types.js";
import { Connection, targetOf } from "./connection.js";
import { LogStore } from "./store.js";

/** A stream outside of React. */
export interface LogSource extends Pick<LogStream, "close" | "reconnect" | "clear"> {
  /**
   * Calls `listener` after each change, at most once per animation frame. The first listener connects, the last one that
   * leaves disconnects, and the next one goes on after the last line. Returns the function that unsubscribes.
   */
  readonly subscribe: (listener: () => void) => () => void;
  /** The state now: the same object until the next change. */
  readonly getSnapshot: () => LogSnapshot;
}

/**
 * Follows the stream at `url`, for Vue, Svelte, Node and others. The options are those of `useLogStream`. You may change
 * them in the object at any time, except `mode`, `method` and `credentials`.
 */
export function logStream(url: string, options: LogStreamOptions = {}): LogSource {
  return follow(targetOf(url, options), options);
}

/** Follows a target; null stays idle. `use` changes the options. */
export function follow(target: Target | null, options: LogStreamOptions = {}): LogSource & { readonly use: (options: LogStreamOptions) => void } {
  let latest = options;
  const store = new LogStore(target !== null);
  const connection = new Connection(target as Target, store, () => latest);
  let listeners = 0;
  return {
    use: (next) => {
      latest = next;
    },
    subscribe: (listener) => {
      const leave = store.subscribe(listener);
      listeners += 1;
      // A stream that ended or was closed does not connect again.
      if (listeners === 1 && store.state.active) connection.start();
      return () => {
        leave();
        listeners -= 1;
        if (listeners === 0) connection.dispose();
      };
    },
    getSnapshot: store.getSnapshot,
    close: () => connection.close(),
    reconnect: () => {
      if (target && listeners > 0) connection.reconnect();
    },
    clear: () => store.clear(),
  };
}
