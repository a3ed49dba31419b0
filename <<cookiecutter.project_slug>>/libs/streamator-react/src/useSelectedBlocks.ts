import { useEffect } from "react";
import type { PanelState } from "./panel.js";
import { useLatest } from "./useLatest.js";
import { blocksIn, isText } from "./view.js";

/** The keys of the blocks in which a selection begins and ends, and whether those have rows. */
export interface SelectedBlocks {
  readonly [key: number]: boolean;
}

/** Tells which blocks must stay as they are: a selection whose end is taken away grows to the whole block. */
export function useSelectedBlocks(panel: PanelState, onSelect: (selected: SelectedBlocks) => void): void {
  const look = useLatest(() => onSelect(selectedBlocks(panel)));
  useEffect(() => {
    document.addEventListener("selectionchange", look);
    return () => document.removeEventListener("selectionchange", look);
  }, [look]);
}

function selectedBlocks({ content, blocks }: PanelState): SelectedBlocks {
  const selected: Record<number, boolean> = {};
  const selection = document.getSelection();
  const inner = content.current;
  if (!inner || !selection || selection.isCollapsed) return selected;
  for (const node of [selection.anchorNode, selection.focusNode]) {
    if (node === inner || !inner.contains(node)) continue;
    const all = blocksIn(inner);
    const place = [...all].findIndex((block) => block.contains(node));
    const [element, block] = [all[place], blocks[place]];
    if (element && block) selected[block.key] = !isText(element);
  }
  return selected;
}
