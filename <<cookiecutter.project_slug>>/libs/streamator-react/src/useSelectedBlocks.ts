import { useEffect } from "react";
import type { LogBlock } from "./blocks.js";
import type { PanelState } from "./panel.js";
import { useLatest } from "./useLatest.js";
import { blocksIn, isText } from "./view.js";

/** The blocks in which a selection begins and ends, and whether those have rows. */
export type SelectedBlocks = readonly (Pick<LogBlock, "key" | "last"> & { readonly rows: boolean })[];

/** Tells which blocks must stay as they are: a selection whose end is taken away grows to the whole block. */
export function useSelectedBlocks(panel: PanelState, onSelect: (selected: SelectedBlocks) => void): void {
  const look = useLatest(() => onSelect(selectedBlocks(panel)));
  useEffect(() => {
    document.addEventListener("selectionchange", look);
    return () => document.removeEventListener("selectionchange", look);
  }, [look]);
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
