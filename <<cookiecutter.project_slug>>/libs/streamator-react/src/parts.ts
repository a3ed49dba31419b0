import { useEffect } from "react";
import type { makeTerminal } from "./ansi.js";
import type { ConnectionLine } from "./ConnectionLine.js";
import type { begin, cutOf, planOf, Reader } from "./LargeLog.js";
import type { LogToolbar } from "./LogToolbar.js";
import type { NamedLine } from "./NamedLine.js";
import { report } from "./store.js";
import { useSnapshot, type Source } from "./useSnapshot.js";

/** What a page need not hold from the start: null until it is there. */
export interface Part<Value> extends Source<Value | null> {
  /** What was there without being loaded: the same on a server and in the first render of its page. */
  readonly atStart: () => Value | null;
  /** Called by the part's own module. */
  readonly provide: (value: Value) => void;
  /** Loads it unless it is there or on its way. A failure is reported; the next call tries again. */
  readonly load: () => void;
}

/** `fetch` imports the module that provides the part. A page that imports that module itself has the part from the start. */
export function makePart<Value>(fetch: () => Promise<unknown>): Part<Value> {
  let value: Value | null = null;
  let atStart: Value | null = null;
  let loading = false;
  const listeners = new Set<() => void>();
  return {
    getSnapshot: () => value,
    atStart: () => atStart,
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    provide(given) {
      value = given;
      if (!loading) atStart = given;
      for (const listener of listeners) listener();
    },
    load() {
      if (value !== null || loading) return;
      loading = true;
      void fetch()
        .catch(report)
        .then(() => {
          loading = false;
        });
    },
  };
}

/** A part, loaded where it is wanted; null until it is there. Each change of `wanted` is another try to load it. */
export function usePart<Value>(part: Part<Value>, wanted: unknown): Value | null {
  const value = useSnapshot(part, part.atStart());
  useEffect(() => {
    if (wanted) part.load();
  }, [part, wanted]);
  return wanted ? value : null;
}

interface Large {
  readonly begin: typeof begin;
  readonly cutOf: typeof cutOf;
  readonly planOf: typeof planOf;
  readonly Reader: typeof Reader;
}
interface Tools {
  readonly ConnectionLine: typeof ConnectionLine;
  readonly NamedLine: typeof NamedLine;
  readonly Toolbar: typeof LogToolbar;
}
export const largePart = /* @__PURE__ */ makePart<Large>(() => import("./large.js"));
export const toolbarPart = /* @__PURE__ */ makePart<Tools>(() => import("./toolbar.js"));
export const ansiPart = /* @__PURE__ */ makePart<typeof makeTerminal>(() => import("./ansi.js"));
