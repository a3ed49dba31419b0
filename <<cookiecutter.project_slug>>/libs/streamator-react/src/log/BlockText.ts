import type { RefObject } from "react";
import { useEffectBeforePaint } from "../hooks/useLatest.js";
import { shownText, type LineLook, type PanelEntry } from "./line.js";
import { leadText } from "./text.js";

export interface BlockTextProps {
  readonly block: RefObject<HTMLElement | null>;
  readonly lines: readonly PanelEntry[];
  readonly look: LineLook;
}

/**
 * Writes the text of a block into its element: React would keep a second copy. It renders beside that element, so that React
 * removes the text before it adds rows. It removes all nodes there, because a translator may have replaced them.
 */
export function BlockText({ block, lines, look }: BlockTextProps): null {
  useEffectBeforePaint(() => {
    block.current?.replaceChildren(...nodesOf(lines, look));
  }, [block, lines, look]);
  useEffectBeforePaint(() => {
    const element = block.current;
    return () => element?.replaceChildren();
  }, [block]);
  return null;
}

/** The lines as one text. The hidden rest of a long line is in a span of its own. */
function nodesOf(lines: readonly PanelEntry[], look: LineLook): (Node | string)[] {
  const nodes: (Node | string)[] = [];
  let before = "";
  for (const entry of lines) {
    const { text, end } = shownText(entry, look);
    before += leadText(entry, look) + text.slice(0, end);
    if (end < text.length) {
      const rest = document.createElement("span");
      rest.hidden = true;
      rest.textContent = text.slice(end);
      nodes.push(before, rest);
      before = "";
    }
    before += "\n";
  }
  return [...nodes, before];
}
