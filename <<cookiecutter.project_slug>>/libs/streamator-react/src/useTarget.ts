import { useMemo, useRef, useState, type RefObject } from "react";
import { useEffectBeforePaint } from "./beforePaint.js";
import type { PanelEntry } from "./line.js";

/** Frames within which heights that were estimated settle. */
const TRIES = 10;

/**
 * The line that the reader was brought to, and the function that brings them to another.
 * It is kept as itself, for its place changes when old lines go. `boxOf` tells where a line is on the screen.
 */
export function useTarget(
  scroller: RefObject<HTMLElement | null>,
  shown: readonly PanelEntry[],
  boxOf: (index: number) => { readonly top: number; readonly height: number } | null,
): { readonly index: number; readonly set: (entry: PanelEntry | null) => void; readonly entry: object | null } {
  const [target, setTarget] = useState<{ readonly entry: PanelEntry } | null>(null);
  const [set] = useState(() => (entry: PanelEntry | null) => setTarget(entry && { entry }));
  const index = useMemo(() => (target ? shown.indexOf(target.entry) : -1), [shown, target]);

  // Into the middle of the panel; whether it is there now.
  const centre = useRef<() => boolean>(() => true);
  useEffectBeforePaint(() => {
    centre.current = () => {
      const panel = scroller.current;
      const line = index === -1 ? null : boxOf(index);
      if (!panel || !line) return true;
      const before = panel.scrollTop;
      panel.scrollTop += line.top - panel.getBoundingClientRect().top - (panel.clientHeight - line.height) / 2;
      return Math.abs(panel.scrollTop - before) < 1;
    };
  });
  useEffectBeforePaint(() => {
    if (!target) return undefined;
    let tries = TRIES;
    let frame = 0;
    // Lines above it may turn out higher than they were estimated once they are drawn, so look again.
    const again = (): void => {
      tries -= 1;
      if (!centre.current() && tries > 0) frame = requestAnimationFrame(again);
    };
    again();
    return () => cancelAnimationFrame(frame);
  }, [target]);
  return { index, set, entry: target };
}
