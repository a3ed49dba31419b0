import * as React from "react";

/** Something outside of React that publishes immutable snapshots. */
export interface Source<Snapshot> {
  readonly subscribe: (listener: () => void) => () => void;
  readonly getSnapshot: () => Snapshot;
}

type SyncExternalStore = <Snapshot>(subscribe: Source<Snapshot>["subscribe"], get: () => Snapshot, server: () => Snapshot) => Snapshot;

// Looked up by name at run time: React 17 has none, and bundlers refuse a named import that may be missing.
const useSyncExternalStore = Reflect.get(React, "useSyncExternalStore") as SyncExternalStore | undefined;

/** The last snapshot published. `server` stands for it where the page is made on a server. */
export const useSnapshot: <Snapshot>(source: Source<Snapshot>, server: Snapshot) => Snapshot = useSyncExternalStore
  ? (source, server) => useSyncExternalStore(source.subscribe, source.getSnapshot, () => server)
  : (source) => {
      const [, setSnapshot] = React.useState(source.getSnapshot);
      React.useEffect(() => {
        const changed = (): void => setSnapshot(() => source.getSnapshot());
        changed(); // what came between the render and this effect
        return source.subscribe(changed);
      }, [source]);
      return source.getSnapshot(); // not the state: it may be of the source before
    };
