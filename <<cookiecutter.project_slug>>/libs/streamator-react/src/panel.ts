import type { RefObject } from "react";
import type { LogBlock } from "./blocks.js";
import type { Follower } from "./followEnd.js";
import type { LineLook, PanelEntry } from "./line.js";
import type { RenderEntry } from "./LogBlock.js";

/** The lines of a panel, and how they are shown in one render. */
export interface LinesState {
  /** The lines that are shown, and the blocks that they are drawn in. */
  readonly shown: readonly PanelEntry[];
  readonly blocks: readonly LogBlock[];
  readonly windowed: boolean;
  readonly look: LineLook;
  readonly wrap: boolean;
  readonly renderEntry: RenderEntry | undefined;
  /** The number of the line to mark; null for none. */
  readonly named: number | null;
  readonly following: boolean;
  readonly target: Target | null;
}

/** What the parts of a panel that are loaded later know of it. */
export interface PanelState extends LinesState {
  /** What scrolls and has the focus, and what the rows stand in. */
  readonly scroller: RefObject<HTMLElement | null>;
  readonly content: RefObject<HTMLElement | null>;
  readonly follower: Follower;
  readonly setTarget: (target: Target | null) => void;
}

/** The line that the reader was brought to: another object each time. It is kept as itself, for its place changes when old lines go. */
export interface Target {
  readonly entry: PanelEntry;
}
