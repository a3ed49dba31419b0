import { makeListening } from "./listening.js";

/** How far from its end, in pixels, an element still counts as scrolled to it. */
const AT_END = 4;

/** Pixels by which a position may differ though nobody has scrolled: it is rounded to what the screen has, at any zoom. */
const SLACK = 1;

/** Pixels by which a finger may slip that is not to move anything. */
const SLIP = 8;

/** The height of a wheel step that is told in lines. */
const LINE = 16;

const AWAY_KEYS = new Set(["ArrowUp", "PageUp", "Home"]);
const EDITABLE = "input, textarea, select, [contenteditable]";

/** Where an element is scrolled to: what `scrollTop`, `scrollHeight` and `clientHeight` say. */
export interface Place {
  readonly top: number;
  readonly height: number;
  readonly view: number;
}

export interface Following {
  /** Whether the end is kept in view. */
  readonly following: boolean;
  /** Not following for as long as the reader presses or selects; from there on again. */
  readonly paused: boolean;
  /** Where it was last: the next move is measured from there. */
  readonly place: Place;
}

/**
 * - `look` something may have moved: a scroll event has come, or the end is about to be put into view
 * - `put` it was scrolled by us
 * - `leave`, `return` the reader is on the way up, or wants the end
 * - `pause`, `unpause` the reader begins to press or select, and ends it
 */
export type Act = "look" | "put" | "leave" | "return" | "pause" | "unpause";

export const START: Following = { following: true, paused: false, place: { top: 0, height: 0, view: 0 } };

/**
 * What comes of `state` when `act` happens and the element is at `place`.
 *
 * Layout leaves a position alone, or takes it along where the content ends above it: where the content is shorter by more
 * than a view, wherever that is. Any other move that is not ours is the reader's, whatever made it: wheel, finger, scroll bar, key, a selection, a screen reader's cursor.
 */
export function follow(state: Following, act: Act, place: Place): Following {
  const end = Math.max(0, place.height - place.view);
  switch (act) {
    case "look": {
      const left = Math.min(state.place.top, end); // where layout alone leaves it
      const moved = Math.min(place.top, end) - left; // a bounce goes past the end
      // WebKit, while it finds out what it need not lay out, makes all of it shorter still for a moment.
      if (moved < -SLACK && state.place.height - place.height > place.view) return { ...state, place };
      if (moved < -SLACK) return { following: false, paused: false, place };
      if (moved <= SLACK) return { ...state, place: { ...place, top: left } }; // small steps add up
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
  /** Keeps `scroller` at its end while `content` grows, until the function given back is called. `onChange` is told of each change. */
  attach(scroller: HTMLElement, content: HTMLElement, onChange: (following: boolean) => void): () => void;
  /** Scroll to the end if following. */
  stick(): void;
  /** Follow again, from the end. */
  resume(): void;
  /** Stay where it is, even at the end, until the reader moves it. */
  leave(): void;
  /** Say that the position it has now was set by us: no reader has moved it. */
  put(): void;
  /** Follow again, once it is attached anew. */
  reset(): void;
}

/** Follows the end of an element that grows, unless the reader is elsewhere: see `follow`. Until it is attached it follows, and does nothing. */
export function makeFollower(): Follower {
  let state = START;
  let element: HTMLElement | null = null;
  let tell: (following: boolean) => void = () => undefined;

  const rest = (panel: HTMLElement): number => panel.scrollHeight - panel.scrollTop - panel.clientHeight;
  // At the end there is nothing to anchor, and what the browser moves to keep its anchor looks like a reader's move.
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
    act("look"); // the reader may have moved it a moment ago, and the scroll event is still to come
    toEnd();
  };

  const attach: Follower["attach"] = (scroller, content, onChange) => {
    element = scroller;
    tell = onChange;
    anchor();

    const listening = makeListening();
    const on = <Type extends keyof HTMLElementEventMap>(
      target: HTMLElement | Document | Window,
      type: Type,
      listener: (event: HTMLElementEventMap[Type]) => void,
    ): void => listening.on(target, type, listener, { passive: true });

    on(scroller, "scroll", () => act("look"));

    // What is about to scroll is told before it does: in a busy log the end is put into view faster than a smooth scroll moves.
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

    // Nothing slides away below a button or a finger that is down, nor from within a selection.
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
    // Chromium gives up a drag of the scroll bar at each growth of the content, and moves what is read with the thumb.
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
      if (buttons === 0) release(); // let go where no event tells of it
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

    // Rows are measured when they come into view, fonts arrive, the panel is resized: the end moves without a new line.
    const observer = typeof ResizeObserver === "function" ? new ResizeObserver(stick) : null;
    observer?.observe(content);
    observer?.observe(scroller);
    toEnd();
    return () => {
      listening.stop();
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
