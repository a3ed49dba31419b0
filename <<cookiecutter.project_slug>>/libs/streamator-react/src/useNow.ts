import { useState } from "react";
import { useSnapshot, type Source } from "./useSnapshot.js";

const PAGE: Source<boolean> = { subscribe: () => () => undefined, getSnapshot: () => true };

/**
 * False on a server, and in the render that takes its page over: there is shown what does not depend on the clock, the
 * time zone or the language of the machine. True from then on, and from the start in a page that no server has rendered.
 */
export const useInPage = (): boolean => useSnapshot(PAGE, false);

/** The time in milliseconds, anew every `every` milliseconds while `ticking`. Null on a server, as `useInPage` has it. */
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

/** Seconds as "8 s", "1 min 05 s", "2 h 03 min". */
export function durationText(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const pad = (value: number): string => String(value).padStart(2, "0");
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${pad(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${pad(Math.floor((whole % 3600) / 60))} min`;
}
