import { Connection, type Target } from "./connection.js";
import { LogStore } from "./store.js";
import type { LogSnapshot, LogStream, LogStreamOptions } from "./types.js";

/** A stream outside of React: what `useLogStream` gives, to be subscribed to. */
export interface LogSource extends Pick<LogStream, "close" | "reconnect" | "clear"> {
  /**
   * Calls `listener` after each change, at most once per animation frame. The first listener connects and the last that
   * leaves disconnects; who comes later goes on from the last line. Gives the function that leaves.
   */
  readonly subscribe: (listener: () => void) => () => void;
  /** What is known now: the same object until the next change. */
  readonly getSnapshot: () => LogSnapshot;
}

/**
 * Follows the stream at `url`, for Vue, Svelte, Node and the like. The options are those of `useLogStream`. They are read
 * when they are needed: all but `mode`, `method` and `credentials` may be changed in the object at any time.
 */
export function logStream(url: string, options: LogStreamOptions = {}): LogSource {
  return follow(targetOf(url, options), options);
}

/** What is connected to, by these options. */
export function targetOf(url: string, { mode = "sse", method = "GET", credentials = "same-origin" }: LogStreamOptions): Target {
  return { url, mode, method: method.toUpperCase(), credentials };
}

/** Null: nothing to follow, and idle for ever. `use` has other options from then on. */
export function follow(target: Target | null, options: LogStreamOptions = {}): LogSource & { readonly use: (options: LogStreamOptions) => void } {
  let latest = options;
  const store = new LogStore();
  store.begin(target && target.url);
  const connection = new Connection(target as Target, store, () => latest);
  let listeners = 0;
  return {
    use: (next) => {
      latest = next;
    },
    subscribe: (listener) => {
      const leave = store.subscribe(listener);
      listeners += 1;
      // A stream that has come to its end, or was closed, stays so.
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
