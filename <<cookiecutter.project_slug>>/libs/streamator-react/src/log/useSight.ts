import { useEffectBeforePaint } from "../hooks/useLatest.js";
import { listen } from "../listen.js";
import type { Scrolled } from "./panel.js";

/** A scroll within this many milliseconds of the reader's last input is theirs. */
const ACT = 1_000;

/** Calls `measure`, a stable function, when the view may have changed: something was scrolled or resized. */
export function useSight({ scroller, content, follower }: Scrolled, measure: () => void): void {
  useEffectBeforePaint(() => {
    const [panel, inner] = [scroller.current, content.current];
    if (!panel || !inner) return undefined;
    const options = { capture: true, passive: true };
    let acted = Number.NEGATIVE_INFINITY;
    const onAct = (): void => {
      acted = performance.now();
    };
    // Includes the scrolling of all elements around it. If the page has no focus and the reader did nothing, it is the
    // browser's find bar that scrolls: if rows replaced the text, its match would be gone.
    const onScroll = (): void => {
      if (!follower.following && (document.hasFocus() || performance.now() - acted < ACT)) measure();
    };
    const listening = [
      ...["wheel", "keydown", "touchmove", "mousedown"].map((act) => listen(panel, act, onAct, options)),
      listen(document, "scroll", onScroll, options),
      listen(window, "focus", measure),
    ];
    // The panel changes its size, or something above it does, so that the panel comes into view.
    const observers = [
      typeof ResizeObserver === "function" ? new ResizeObserver(measure) : null,
      typeof IntersectionObserver === "function" ? new IntersectionObserver(measure, { threshold: [0, 0.25, 0.5, 0.75, 1] }) : null,
    ];
    for (const observer of observers) observer?.observe(panel);
    // Late layout of lines above the view moves others into it, without a scroll event. Measure a frame later: an observer
    // must not change sizes.
    const late = typeof ResizeObserver === "function" ? new ResizeObserver(() => follower.following || requestAnimationFrame(measure)) : null;
    late?.observe(inner);
    measure();
    return () => {
      for (const leave of listening) leave();
      for (const observer of [...observers, late]) observer?.disconnect();
    };
  }, [scroller, content, follower, measure]);
}
