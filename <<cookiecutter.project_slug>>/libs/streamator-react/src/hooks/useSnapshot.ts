import * as React from "react";
import { useEffectBeforePaint } from "./useLatest.js";

/** A source outside of React that publishes immutable snapshots. */
export interface Source<Snapshot> {
  readonly subscribe: (listener: () => void) => () => void;
  readonly getSnapshot: () => Snapshot;
}

type SyncExternalStore = <Snapshot>(subscribe: Source<Snapshot>["subscribe"], get: () => Snapshot, server: () => Snapshot) => Snapshot;

// Looked up by name: React 17 does not have it, and bundlers refuse a named import that may be missing.
const useSyncExternalStore = Reflect.get(React, "useSyncExternalStore") as SyncExternalStore | undefined;

function useStore<Snapshot>(source: Source<Snapshot>, server: Snapshot): Snapshot {
  return (useSyncExternalStore as SyncExternalStore)(source.subscribe, source.getSnapshot, () => server);
}

function useStoreOfReact17<Snapshot>(source: Source<Snapshot>, server: Snapshot): Snapshot {
  const [reads, read] = React.useReducer((before: number) => before + 1, 0);
  useEffectBeforePaint(() => {
    read(); // a snapshot may have come between the render and this effect
    return source.subscribe(read);
  }, [source]);
  return reads === 0 ? server : source.getSnapshot();
}

/** The last snapshot; `server` on a server and while React hydrates. */
export const useSnapshot = useSyncExternalStore ? useStore : useStoreOfReact17;
