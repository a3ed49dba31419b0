import * as React from "react";
import { useEffectBeforePaint } from "./beforePaint.js";

/** Something outside of React that publishes immutable snapshots. */
export interface Source<Snapshot> {
  readonly subscribe: (listener: () => void) => () => void;
  readonly getSnapshot: () => Snapshot;
}

type SyncExternalStore = <Snapshot>(subscribe: Source<Snapshot>["subscribe"], get: () => Snapshot, server: () => Snapshot) => Snapshot;

// Looked up by name at run time: React 17 has none, and bundlers refuse a named import that may be missing.
const useSyncExternalStore = Reflect.get(React, "useSyncExternalStore") as SyncExternalStore | undefined;

function useStore<Snapshot>(source: Source<Snapshot>, server: Snapshot): Snapshot {
  return (useSyncExternalStore as SyncExternalStore)(source.subscribe, source.getSnapshot, () => server);
}

function useStoreOfReact17<Snapshot>(source: Source<Snapshot>, server: Snapshot): Snapshot {
  const [reads, read] = React.useReducer((before: number) => before + 1, 0);
  useEffectBeforePaint(() => {
    read(); // what came between the render and this effect
    return source.subscribe(read);
  }, [source]);
  return reads === 0 ? server : source.getSnapshot();
}

/** The last snapshot published. `server` stands for it where the page is made on a server, and in the render that takes such a page over. */
export const useSnapshot = useSyncExternalStore ? useStore : useStoreOfReact17;
