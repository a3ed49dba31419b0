import type { RefObject } from "react";
import { useEffectBeforePaint } from "./beforePaint.js";
import { shownText, type LineLook, type PanelEntry } from "./line.js";
import { leadText } from "./text.js";

export interface BlockTextProps {
  readonly block: RefObject<HTMLElement | null>;
  readonly lines: readonly PanelEntry[];
  readonly look: LineLook;
}

/**
 * Writes the text of a block by hand: React would keep it a second time. It is beside the block's element, so that React
 * takes the text away before it puts rows there, and it takes all that is there, for a translator may have replaced it.
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

/** Lines as one text, but for what is not shown of long ones: that has a box. */
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
