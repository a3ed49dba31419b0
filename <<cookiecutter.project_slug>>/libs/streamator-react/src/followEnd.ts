import { makeListening } from "./listening.js";

/** How far from its end, in pixels, an element still counts as scrolled to it (positions are fractions). */
const AT_END = 4;

/** The height of a wheel step that is told in lines. */
const LINE = 16;

const AWAY_KEYS = new Set(["ArrowUp", "PageUp", "Home"]);

export interface Follower {
  /** Whether the end is kept in view. */
  readonly following: boolean;
  /** Scroll to the end if following. */
  stick(): void;
  /** Follow again, from the end. */
  resume(): void;
  /** Stay where it is, even at the end, until the reader does something. */
  hold(): void;
  stop(): void;
}

/**
 * Keeps `scroller` at its end while `content` grows.
 *
 * It lets go when the reader turns the wheel up, presses a key that scrolls up, drags the scroll bar or moves a finger,
 * and follows again once they are back at the end, or ask for it: a busy log grows faster than a smooth scroll moves.
 * A mere change of the scroll position is nobody's wish: layout does that too.
 */
export function followEnd(scroller: HTMLElement, content: HTMLElement, onChange: (following: boolean) => void = () => undefined): Follower {
  let following = true;
  let dragging = false; // the scroll bar or a finger
  let held = false; // let go for a line that was gone to

  const rest = (): number => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight;
  const atEnd = (): boolean => rest() <= AT_END;
  const stick = (): void => {
    if (following) scroller.scrollTop = scroller.scrollHeight;
  };
  const set = (now: boolean): void => {
    if (following === now) return;
    following = now;
    onChange(now);
  };
  const letGo = (): void => {
    if (scroller.scrollHeight > scroller.clientHeight) set(false);
  };

  const listening = makeListening();
  const on = <Type extends keyof HTMLElementEventMap>(
    target: HTMLElement | Window,
    type: Type,
    listener: (event: HTMLElementEventMap[Type]) => void,
  ): void => listening.on(target, type, listener, { passive: true });

  for (const act of ["wheel", "keydown", "touchmove", "mousedown"] as const) {
    on(scroller, act, () => {
      held = false;
    });
  }
  on(scroller, "wheel", (event) => {
    if (event.deltaY < 0) letGo();
    else if (event.deltaY > 0 && rest() <= event.deltaY * (event.deltaMode === WheelEvent.DOM_DELTA_LINE ? LINE : 1)) set(true);
  });
  on(scroller, "keydown", (event) => {
    if (event.key === "End") set(true);
    else if (AWAY_KEYS.has(event.key) || (event.key === " " && event.shiftKey)) letGo();
  });
  on(scroller, "touchmove", () => {
    dragging = true;
    letGo();
  });
  on(scroller, "mousedown", (event) => {
    dragging = event.target === scroller && event.offsetX >= scroller.clientWidth;
  });
  for (const release of ["mouseup", "touchend", "touchcancel"] as const) {
    on(window, release, () => {
      if (dragging && atEnd()) set(true);
      dragging = false;
    });
  }
  on(scroller, "scroll", () => {
    if (atEnd() && !held) set(true);
    else if (dragging) set(false);
  });

  // Rows are measured when they come into view, fonts arrive, the panel is resized: the end moves without a new line.
  const observer = typeof ResizeObserver === "function" ? new ResizeObserver(stick) : null;
  observer?.observe(content);
  observer?.observe(scroller);
  stick();

  return {
    get following() {
      return following;
    },
    stick,
    hold: () => {
      held = true;
      set(false);
    },
    resume: () => {
      set(true);
      stick();
    },
    stop: () => {
      listening.stop();
      observer?.disconnect();
    },
  };
}
