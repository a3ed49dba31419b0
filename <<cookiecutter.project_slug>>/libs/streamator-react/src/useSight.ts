import { useEffectBeforePaint } from "./beforePaint.js";
import { makeListening } from "./listening.js";
import type { PanelState } from "./panel.js";

/** Milliseconds after the reader's last act within which a scroll is taken for theirs. */
const ACT = 1_000;

/** Calls `measure`, which stays the same, when something is scrolled or resized: what is in sight may have changed. */
export function useSight({ scroller, content, follower }: Pick<PanelState, "scroller" | "content" | "follower">, measure: () => void): void {
  useEffectBeforePaint(() => {
    const [panel, inner] = [scroller.current, content.current];
    if (!panel || !inner) return undefined;
    const listening = makeListening();
    const options = { capture: true, passive: true };
    let acted = Number.NEGATIVE_INFINITY;
    for (const act of ["wheel", "keydown", "touchmove", "mousedown"]) {
      listening.on(
        panel,
        act,
        () => {
          acted = performance.now();
        },
        options,
      );
    }
    // The scrolling of all that is around it, too. Where nobody has acted and the page has no focus, it is the
    // browser's find bar that scrolls: it would lose the place that it has marked if rows took its text away.
    const onScroll = (): void => {
      if (!follower.following && (document.hasFocus() || performance.now() - acted < ACT)) measure();
    };
    listening.on(document, "scroll", onScroll, options);
    listening.on(window, "focus", measure);
    // The panel changes its size, or comes into the page's view because something above it does.
    const observers = [
      typeof ResizeObserver === "function" ? new ResizeObserver(measure) : null,
      typeof IntersectionObserver === "function" ? new IntersectionObserver(measure, { threshold: [0, 0.25, 0.5, 0.75, 1] }) : null,
    ];
    for (const observer of observers) observer?.observe(panel);
    // Lines above the view that the browser lays out late may move others into it, and no scroll tells. A frame later, for within this call nothing may change its size.
    const late = typeof ResizeObserver === "function" ? new ResizeObserver(() => follower.following || requestAnimationFrame(measure)) : null;
    late?.observe(inner);
    measure();
    return () => {
      listening.stop();
      for (const observer of [...observers, late]) observer?.disconnect();
    };
  }, [scroller, content, follower, measure]);
}
