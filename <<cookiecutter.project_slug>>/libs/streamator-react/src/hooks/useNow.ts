import { useState } from "react";
import { useSnapshot, type Source } from "./useSnapshot.js";

const PAGE: Source<boolean> = { subscribe: () => () => undefined, getSnapshot: () => true };

/**
 * False on a server and while React hydrates: those renders must not depend on the machine's clock, time zone or language.
 * True after that, and always in a page that no server rendered.
 */
export const useInPage = (): boolean => useSnapshot(PAGE, false);

/** The time in milliseconds, updated every `every` milliseconds while `ticking`. Null where `useInPage` is false. */
export function useNow(ticking: boolean, every = 1_000): number | null {
  const [clock] = useState(() => makeClock(every));
  return useSnapshot(ticking ? clock.running : clock.stopped, null);
}

function makeClock(every: number): { readonly running: Source<number | null>; readonly stopped: Source<number | null> } {
  let now = Date.now();
  const getSnapshot = (): number => now;
  return {
    stopped: { getSnapshot, subscribe: PAGE.subscribe },
    running: {
      getSnapshot,
      subscribe: (listener) => {
        const tick = (): void => {
          now = Date.now();
          listener();
        };
        tick();
        const timer = setInterval(tick, every);
        return () => clearInterval(timer);
      },
    },
  };
}
