import { useMemo, useRef, useState, type RefObject } from "react";
import { useEffectBeforePaint } from "./beforePaint.js";
import type { Follower } from "./followEnd.js";
import type { PanelEntry } from "./line.js";

/** Frames within which heights that were estimated settle. */
const TRIES = 10;

/** The line that the reader was brought to. It is kept as itself, for its place changes when old lines go. */
export interface Target {
  /** Its place; -1 where there is none (any more). */
  readonly index: number;
  /** Another object each time that the reader is brought somewhere; null before the first. */
  readonly call: object | null;
}

/** The target among the lines that are shown, and the function that changes it. */
export function useTarget(shown: readonly PanelEntry[]): [Target, (entry: PanelEntry | null) => void] {
  const [call, setCall] = useState<{ readonly entry: PanelEntry } | null>(null);
  const [set] = useState(() => (entry: PanelEntry | null) => setCall(entry && { entry }));
  const index = useMemo(() => (call ? shown.indexOf(call.entry) : -1), [shown, call]);
  return [{ index, call }, set];
}

/** Puts the target into the middle of the panel. `boxOf` tells where a line is on the screen. */
export function useCentred(
  scroller: RefObject<HTMLElement | null>,
  { index, call }: Target,
  follower: Follower,
  boxOf: (index: number) => { readonly top: number; readonly height: number } | null,
): void {
  // Whether it is there now.
  const centre = useRef<() => boolean>(() => true);
  useEffectBeforePaint(() => {
    centre.current = () => {
      const panel = scroller.current;
      const line = index === -1 ? null : boxOf(index);
      if (!panel || !line) return true;
      const before = panel.scrollTop;
      panel.scrollTop += line.top - panel.getBoundingClientRect().top - (panel.clientHeight - line.height) / 2;
      follower.put();
      return Math.abs(panel.scrollTop - before) < 1;
    };
  });
  useEffectBeforePaint(() => {
    if (!call) return undefined;
    let tries = TRIES;
    let frame = 0;
    // Lines above it may turn out higher than they were estimated once they are drawn, so look again.
    const again = (): void => {
      tries -= 1;
      if (!centre.current() && tries > 0) frame = requestAnimationFrame(again);
    };
    again();
    return () => cancelAnimationFrame(frame);
  }, [call]);
}
