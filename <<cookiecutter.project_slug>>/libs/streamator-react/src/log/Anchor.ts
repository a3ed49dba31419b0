import { Component } from "react";
import type { Scrolled } from "./panel.js";
import { topOf } from "./view.js";

export interface AnchorProps extends Scrolled {
  /** Nothing to hold: the panel follows its end, or is a window. */
  readonly off: boolean;
  /** If one of these changes, lines may move. */
  readonly of: readonly unknown[];
}

/** The first element in view and its top on the screen. */
interface Place {
  readonly element: Element;
  readonly top: number;
}

export function placeIn({ scroller, content }: Scrolled): Place | null {
  const element = scroller.current && content.current ? topOf(scroller.current, content.current) : undefined;
  return element ? { element, top: element.getBoundingClientRect().top } : null;
}

/** Scrolls so that the place is where it was on the screen. */
export function putBack(place: Place | null, { scroller, follower }: Scrolled): void {
  if (!place || !scroller.current || !place.element.isConnected) return;
  const moved = place.element.getBoundingClientRect().top - place.top;
  if (Math.abs(moved) < 1) return;
  scroller.current.scrollTop += moved;
  follower.put();
}

/**
 * Keeps the first line in view where it is when the lines above it change their height: a block gets rows, old lines are
 * dropped. Browsers with scroll anchoring do this themselves. A class, because no hook runs before React changes the document.
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
