import { useEffect } from "react";
import { report } from "../core/store.js";
import { useSnapshot, type Source } from "../hooks/useSnapshot.js";

/** A module that is loaded after the first render: null until then. */
export interface Part<Value> extends Source<Value | null> {
  /** The module if the page itself imports it, else null: the same on a server and while React hydrates. */
  readonly atStart: () => Value | null;
  /** Called by "streamator-react/large" and the like, which a page may import. */
  readonly provide: (value: Value) => void;
  /** Loads the module once. A failure is reported, and the next call tries again. */
  readonly load: () => void;
}

export function makePart<Value>(fetch: () => Promise<Value>): Part<Value> {
  let value: Value | null = null;
  let atStart: Value | null = null;
  let loading = false;
  const listeners = new Set<() => void>();
  const set = (given: Value): void => {
    value = given;
    for (const listener of listeners) listener();
  };
  return {
    getSnapshot: () => value,
    atStart: () => atStart,
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    provide(given) {
      atStart = given;
      set(given);
    },
    load() {
      if (value !== null || loading) return;
      loading = true;
      void fetch()
        .then(set, report)
        .then(() => {
          loading = false;
        });
    },
  };
}

/** A part if it is `wanted` and loaded, else null. Each change of `wanted` tries to load it. */
export function usePart<Value>(part: Part<Value>, wanted: unknown): Value | null {
  const value = useSnapshot(part, part.atStart());
  useEffect(() => {
    if (wanted) part.load();
  }, [part, wanted]);
  return wanted ? value : null;
}

export const ansiPart = /* @__PURE__ */ makePart(() => import("./ansi.js"));
export const largePart = /* @__PURE__ */ makePart(() => import("./large.js"));
export const toolbarPart = /* @__PURE__ */ makePart(() => import("./toolbar.js"));
