import { useEffectBeforePaint } from "./beforePaint.js";
import type { PanelState } from "./panel.js";
import { useLatest } from "./useLatest.js";

/** Frames within which heights that were estimated settle. */
const TRIES = 10;

interface Box {
  readonly top: number;
  readonly height: number;
}

/** Puts the target into the middle of the panel. `boxOf` tells where it is on the screen, or null; undefined before that can be known. */
export function useCentred({ scroller, follower, target }: PanelState, boxOf: (() => Box | null) | undefined): void {
  const isCentred = useLatest((): boolean => {
    const box = boxOf?.();
    if (!scroller.current || !box) return true;
    const moved = centre(scroller.current, box);
    follower.put();
    return moved < 1;
  });
  const isKnown = boxOf !== undefined;
  useEffectBeforePaint(() => {
    if (!target || !isKnown) return undefined;
    let tries = TRIES;
    let frame = 0;
    // Lines above it may turn out higher than they were estimated once they are drawn, so look again.
    const again = (): void => {
      tries -= 1;
      if (!isCentred() && tries > 0) frame = requestAnimationFrame(again);
    };
    again();
    return () => cancelAnimationFrame(frame);
  }, [target, isKnown, isCentred]);
}

/** Scrolls a line into the middle, and tells by how many pixels. */
function centre(panel: HTMLElement, line: Box): number {
  const before = panel.scrollTop;
  panel.scrollTop += line.top - panel.getBoundingClientRect().top - (panel.clientHeight - line.height) / 2;
  return Math.abs(panel.scrollTop - before);
}
