import { useEffect } from "react";
import { useLatest } from "../hooks/useLatest.js";
import { listen } from "../listen.js";
import type { LogBlock } from "./blocks.js";
import type { PanelState } from "./panel.js";
import { blocksIn, isText } from "./view.js";

/** The blocks in which a selection begins and ends, and whether they have rows. */
export type SelectedBlocks = readonly (Pick<LogBlock, "key" | "last"> & { readonly rows: boolean })[];

/**
 * Reports the blocks in which the selection begins and ends. They must keep their nodes: if React removed the node at an end
 * of the selection, the selection would grow to the whole block.
 */
export function useSelectedBlocks(panel: PanelState, onSelect: (selected: SelectedBlocks) => void): void {
  const look = useLatest(() => onSelect(selectedBlocks(panel)));
  useEffect(() => listen(document, "selectionchange", look), [look]);
}

function selectedBlocks({ content, blocks }: PanelState): SelectedBlocks {
  const selection = document.getSelection();
  const inner = content.current;
  if (!inner || !selection || selection.isCollapsed) return [];
  const ends = [selection.anchorNode, selection.focusNode].filter((node) => node !== inner && inner.contains(node));
  return [...blocksIn(inner)].flatMap((element, place) => {
    const block = blocks[place];
    return block && ends.some((node) => element.contains(node)) ? { key: block.key, last: block.last, rows: !isText(element) } : [];
  });
}
