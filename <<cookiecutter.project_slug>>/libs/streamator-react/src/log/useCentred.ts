import { useEffectBeforePaint, useLatest } from "../hooks/useLatest.js";
import type { PanelState } from "./panel.js";

/** Frames in which estimated heights settle. */
const TRIES = 10;

interface Box {
  readonly top: number;
  readonly height: number;
}

/** Scrolls the target into the middle of the panel. `boxOf` returns where it is on the screen, or null; it is undefined until that can be known. */
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
    // Lines above it may get another height once they are laid out, so look again.
    const again = (): void => {
      tries -= 1;
      if (!isCentred() && tries > 0) frame = requestAnimationFrame(again);
    };
    again();
    return () => cancelAnimationFrame(frame);
  }, [target, isKnown, isCentred]);
}

/** Scrolls a line into the middle. Returns by how many pixels. */
function centre(panel: HTMLElement, line: Box): number {
  const before = panel.scrollTop;
  panel.scrollTop += line.top - panel.getBoundingClientRect().top - (panel.clientHeight - line.height) / 2;
  return Math.abs(panel.scrollTop - before);
}
