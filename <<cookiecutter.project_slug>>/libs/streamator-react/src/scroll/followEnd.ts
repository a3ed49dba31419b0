import { listen } from "../listen.js";

// Pixels.
/** An element this near its end counts as scrolled to it. */
const AT_END = 4;

/** A position may differ by this much though nobody scrolled: browsers round it. */
const SLACK = 1;

/** A finger may slip by this much without scrolling. */
const SLIP = 8;

/** The height of a wheel step that is counted in lines. */
const LINE = 16;

const AWAY_KEYS = new Set(["ArrowUp", "PageUp", "Home"]);
const EDITABLE = "input, textarea, select, [contenteditable]";

/** Where an element is scrolled to: its `scrollTop`, `scrollHeight` and `clientHeight`. */
export interface Place {
  readonly top: number;
  readonly height: number;
  readonly view: number;
}

export interface Following {
  /** Whether the end is kept in view. */
  readonly following: boolean;
  /** Not following while the reader presses or selects. */
  readonly paused: boolean;
  /** Where it was last: the next move is compared with this. */
  readonly place: Place;
}

/**
 * - `look` it may have moved: a scroll event came, or we are about to scroll to the end
 * - `put` we scrolled it
 * - `leave`, `return` the reader scrolls up, or wants the end
 * - `pause`, `unpause` the reader begins or stops to press or select
 */
export type Act = "look" | "put" | "leave" | "return" | "pause" | "unpause";

export const START: Following = { following: true, paused: false, place: { top: 0, height: 0, view: 0 } };

/**
 * The state after `act`, with the element at `place`.
 *
 * Layout keeps a position, unless the content became shorter: then it moves the position up. Any other move that is not
 * ours is the reader's, by whatever means: wheel, finger, scroll bar, key, a selection, a screen reader's cursor.
 */
export function follow(state: Following, act: Act, place: Place): Following {
  const end = Math.max(0, place.height - place.view);
  switch (act) {
    case "look": {
      const left = Math.min(state.place.top, end); // where layout alone would put it
      const moved = Math.min(place.top, end) - left; // a bouncing scroll goes past the end
      // Shorter by more than a view: it was layout. WebKit makes the content shorter for a moment while it skips blocks.
      if (moved < -SLACK && state.place.height - place.height > place.view) return { ...state, place };
      if (moved < -SLACK) return { following: false, paused: false, place };
      if (moved <= SLACK) return { ...state, place: { ...place, top: left } }; // keeps `left`, so that small steps add up
      return end - place.top <= AT_END ? { following: true, paused: false, place } : { ...state, place };
    }
    case "put":
      return { ...state, place };
    case "leave":
      return end > 0 ? { ...state, following: false, paused: false } : state;
    case "return":
      return { ...state, following: true, paused: false };
    case "pause":
      return state.following ? { ...state, following: false, paused: true } : state;
    case "unpause":
      return state.paused ? { ...state, following: true, paused: false } : state;
  }
}

export interface Follower {
  /** Whether the end is kept in view. */
  readonly following: boolean;
  /** Keeps `scroller` at its end while `content` grows. `onChange` gets each change. Returns the function that detaches. */
  attach(scroller: HTMLElement, content: HTMLElement, onChange: (following: boolean) => void): () => void;
  /** Scrolls to the end if following. */
  stick(): void;
  /** Scrolls to the end and follows again. */
  resume(): void;
  /** Stops following, even at the end, until the reader scrolls. */
  leave(): void;
  /** Call this after scrolling by code, so that it does not count as the reader's move. */
  put(): void;
  /** Follows again from the next `attach` on. */
  reset(): void;
}

/** Follows the end of an element that grows, unless the reader scrolled away: see `follow`. It does nothing until it is attached. */
export function makeFollower(): Follower {
  let state = START;
  let element: HTMLElement | null = null;
  let tell: (following: boolean) => void = () => undefined;

  const rest = (panel: HTMLElement): number => panel.scrollHeight - panel.scrollTop - panel.clientHeight;
  // No scroll anchoring while it follows: the browser's own move would look like the reader's.
  const anchor = (): void => {
    if (element) element.style.overflowAnchor = state.following ? "none" : "";
  };
  const set = (next: Following): void => {
    const before = state.following;
    state = next;
    if (next.following === before) return;
    anchor();
    tell(next.following);
  };
  const act = (what: Act): void => {
    if (element) set(follow(state, what, { top: element.scrollTop, height: element.scrollHeight, view: element.clientHeight }));
  };
  const toEnd = (): void => {
    if (element && state.following) element.scrollTop = element.scrollHeight;
    act("put");
  };
  const stick = (): void => {
    act("look"); // the reader may have scrolled, and the event is still to come
    toEnd();
  };

  const attach: Follower["attach"] = (scroller, content, onChange) => {
    element = scroller;
    tell = onChange;
    anchor();

    const listening: (() => void)[] = [];
    const on = <Type extends keyof HTMLElementEventMap>(target: EventTarget, type: Type, listener: (event: HTMLElementEventMap[Type]) => void): void => {
      listening.push(listen(target, type, listener, { passive: true }));
    };

    on(scroller, "scroll", () => act("look"));

    // Act before the scroll happens: in a busy log we scroll to the end faster than a smooth scroll moves away.
    on(scroller, "wheel", ({ deltaY, deltaMode, ctrlKey }) => {
      if (ctrlKey) return; // zoom
      if (deltaY < 0) act("leave");
      else if (deltaY > 0 && rest(scroller) <= deltaY * (deltaMode === WheelEvent.DOM_DELTA_LINE ? LINE : 1)) act("return");
    });
    on(scroller, "keydown", ({ key, shiftKey, target }) => {
      if ((target as Element).closest(EDITABLE)) return;
      if (key === "End" || (key === "PageDown" && rest(scroller) <= scroller.clientHeight)) act("return");
      else if (AWAY_KEYS.has(key) || (key === " " && shiftKey)) act("leave");
    });

    // Lines do not move below a pressed button or finger, nor in a selection.
    let pressed = false;
    const hold = (): void => {
      if (pressed || isSelected(scroller)) act("pause");
      else if (state.paused) {
        act("unpause");
        stick();
      }
    };
    const press = (): void => {
      pressed = true;
      hold();
    };
    // Chromium breaks off a drag of the scroll bar when the content grows, so its height stays the same meanwhile.
    const keepHeight = (keep: boolean): void => {
      content.style.maxHeight = keep ? `${content.offsetHeight}px` : "";
      content.style.overflowY = keep ? "clip" : "";
    };
    const release = (): void => {
      if (!pressed) return;
      pressed = false;
      keepHeight(false);
      hold();
    };
    on(scroller, "mousedown", ({ button, target }) => {
      if (button !== 0) return;
      if (target === scroller) keepHeight(true); // its scroll bar, or its padding
      press();
    });
    on(window, "mousemove", ({ buttons }) => {
      if (buttons === 0) release(); // outside of the window no event tells of the release
    });
    let fingerAt = 0;
    on(scroller, "touchstart", ({ touches }) => {
      fingerAt = touches[0]?.clientY ?? 0;
      press();
    });
    on(scroller, "touchmove", ({ touches }) => {
      if ((touches[0]?.clientY ?? 0) > fingerAt + SLIP) act("leave");
    });
    for (const type of ["mouseup", "dragend", "touchend", "touchcancel"] as const) on(window, type, release);
    on(scroller.ownerDocument, "selectionchange", hold);

    // The end also moves without a new line: rows are laid out late, fonts load, the panel is resized.
    const observer = typeof ResizeObserver === "function" ? new ResizeObserver(stick) : null;
    observer?.observe(content);
    observer?.observe(scroller);
    toEnd();
    return () => {
      for (const leave of listening) leave();
      observer?.disconnect();
      keepHeight(false);
      scroller.style.overflowAnchor = "";
      element = null;
    };
  };

  return {
    get following() {
      return state.following;
    },
    attach,
    stick,
    resume: () => {
      act("return");
      stick();
    },
    leave: () => {
      if (element) set({ ...state, following: false, paused: false });
    },
    put: () => act("put"),
    reset: () => set(START),
  };
}

/** Whether a selection begins or ends in the element. */
function isSelected(element: HTMLElement): boolean {
  const selection = element.ownerDocument.getSelection();
  return selection !== null && !selection.isCollapsed && (element.contains(selection.anchorNode) || element.contains(selection.focusNode));
}
