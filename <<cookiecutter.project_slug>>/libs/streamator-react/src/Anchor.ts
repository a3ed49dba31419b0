import { Component, type RefObject } from "react";
import type { Follower } from "./followEnd.js";
import { topOf } from "./view.js";

export interface AnchorProps {
  readonly scroller: RefObject<HTMLElement | null>;
  readonly content: RefObject<HTMLElement | null>;
  readonly follower: Follower;
  /** The end is kept in view, or there is nothing to keep. */
  readonly off: boolean;
  /** A change of it may move the lines. */
  readonly of: readonly unknown[];
}

/** What the view begins with, and how far down the screen it is. */
interface Place {
  readonly element: Element;
  readonly top: number;
}

type Scrolled = Pick<AnchorProps, "scroller" | "content" | "follower">;

export function placeIn({ scroller, content }: Scrolled): Place | null {
  const element = scroller.current && content.current ? topOf(scroller.current, content.current) : undefined;
  return element ? { element, top: element.getBoundingClientRect().top } : null;
}

/** Scrolls by what has come or gone above a place since then. */
export function putBack(place: Place | null, { scroller, follower }: Scrolled): void {
  if (!place || !scroller.current || !place.element.isConnected) return;
  const moved = place.element.getBoundingClientRect().top - place.top;
  if (Math.abs(moved) < 1) return;
  scroller.current.scrollTop += moved;
  follower.put();
}

/**
 * Keeps what the view begins with where it is while what is above it becomes higher or lower: a block that gets rows, old
 * lines that go. Where the browser does so itself, there is nothing left to do. A class, for only that is asked before
 * React changes the document.
 */
export class Anchor extends Component<AnchorProps> {
  override getSnapshotBeforeUpdate({ of }: AnchorProps): Place | null {
    const { off, of: now } = this.props;
    return off || now.every((value, index) => value === of[index]) ? null : placeIn(this.props);
  }

  override componentDidUpdate(_props: AnchorProps, _state: unknown, place: Place | null): void {
    putBack(place, this.props);
  }

  override render(): null {
    return null;
  }
}
