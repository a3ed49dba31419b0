import type { RefObject } from "react";
import { useEffectBeforePaint } from "./beforePaint.js";
import { plainText, shownLength, type LineLook, type PanelEntry } from "./line.js";
import { linesText, lineText } from "./text.js";

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
    const isWhole = lines.every((entry) => shownLength(entry, look.whole) === entry.text.length);
    block.current?.replaceChildren(...(isWhole ? [linesText(lines, look)] : lines.flatMap((entry) => textNodes(entry, look))));
  }, [block, lines, look]);
  useEffectBeforePaint(() => {
    const element = block.current;
    return () => element?.replaceChildren();
  }, [block]);
  return null;
}

/** A line as text, what is not shown of it without a box. */
function textNodes(entry: PanelEntry, look: LineLook): (Node | string)[] {
  const end = shownLength(entry, look.whole);
  const text = lineText({ ...entry, text: entry.text.slice(0, end) }, look);
  if (end === entry.text.length) return [`${text}\n`];
  const rest = document.createElement("span");
  rest.hidden = true;
  rest.textContent = plainText(entry.text.slice(end), look);
  return [text, rest, "\n"];
}
