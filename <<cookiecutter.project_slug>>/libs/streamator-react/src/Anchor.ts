import { Component, type RefObject } from "react";
import { topOf } from "./blocks.js";
import type { Follower } from "./followEnd.js";

export interface AnchorProps {
  readonly scroller: RefObject<HTMLElement | null>;
  readonly content: RefObject<HTMLElement | null>;
  readonly follower: Follower;
  /** The end is kept in view, or there is nothing to keep. */
  readonly off: boolean;
  /** A change of it may move the lines. */
  readonly of: readonly unknown[];
}

interface Place {
  readonly element: Element;
  readonly top: number;
}

/**
 * Keeps what the view begins with where it is while what is above it becomes higher or lower: a block that gets rows, old
 * lines that go. Chromium does so itself, and then there is nothing left to do. A class, for only that is asked before
 * React changes the document.
 */
export class Anchor extends Component<AnchorProps> {
  override getSnapshotBeforeUpdate({ of }: AnchorProps): Place | null {
    const { scroller, content, off, of: now } = this.props;
    if (off || !scroller.current || !content.current || now.every((value, index) => value === of[index])) return null;
    const element = topOf(scroller.current, content.current);
    return element ? { element, top: element.getBoundingClientRect().top } : null;
  }

  override componentDidUpdate(_props: AnchorProps, _state: unknown, place: Place | null): void {
    const { scroller, follower } = this.props;
    if (!place || !scroller.current || !place.element.isConnected) return;
    const moved = place.element.getBoundingClientRect().top - place.top;
    if (Math.abs(moved) < 1) return;
    scroller.current.scrollTop += moved;
    follower.put();
  }

  override render(): null {
    return null;
  }
}
