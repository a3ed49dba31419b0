import { useRef, useState, type RefObject } from "react";
import { useEffectBeforePaint } from "./beforePaint.js";
import { UNSEEN, type View } from "./blocks.js";
import type { Follower } from "./followEnd.js";
import { makeListening } from "./listening.js";

/** Milliseconds after the reader's last act within which a scroll is taken for theirs. */
const ACT = 1_000;

/**
 * What is near the view: measured anew when something is scrolled or resized, and by the function given back.
 * `measureNow` may be another function each time.
 */
export function useView(
  scroller: RefObject<HTMLElement | null>,
  content: RefObject<HTMLElement | null>,
  follower: Follower,
  measureNow: (scroller: HTMLElement, content: HTMLElement) => View,
): [View, () => void] {
  const [view, setView] = useState<View>(UNSEEN);
  const latest = useRef(measureNow);
  useEffectBeforePaint(() => {
    latest.current = measureNow;
  });
  const [measure] = useState(() => () => {
    if (!scroller.current || !content.current) return;
    const now = latest.current(scroller.current, content.current);
    setView((before) => (before.first === now.first && before.last === now.last && before.lines === now.lines ? before : now));
  });

  useEffectBeforePaint(() => {
    const panel = scroller.current;
    if (!panel) return undefined;
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
    measure();
    return () => {
      listening.stop();
      for (const observer of observers) observer?.disconnect();
    };
  }, [scroller, follower, measure]);
  return [view, measure];
}
