import { useEffect, useState, type RefObject } from "react";

/** The places of the blocks in which a selection begins and ends, and whether those have rows. */
export interface SelectedBlocks {
  readonly [place: number]: boolean;
}

const NONE: SelectedBlocks = {};

/** Blocks that must stay as they are: a selection whose end is taken away grows to the whole block. */
export function useSelectedBlocks(content: RefObject<HTMLElement | null>): SelectedBlocks {
  const [selected, setSelected] = useState(NONE);
  useEffect(() => {
    const look = (): void => {
      const now = selectedBlocks(content.current);
      setSelected((before) => (JSON.stringify(before) === JSON.stringify(now) ? before : now));
    };
    document.addEventListener("selectionchange", look);
    return () => document.removeEventListener("selectionchange", look);
  }, [content]);
  return selected;
}

function selectedBlocks(content: HTMLElement | null): SelectedBlocks {
  const selection = document.getSelection();
  if (!content || !selection || selection.isCollapsed) return NONE;
  const blocks: Record<number, boolean> = {};
  for (const node of [selection.anchorNode, selection.focusNode]) {
    if (node === content || !content.contains(node)) continue;
    const place = [...content.children].findIndex((block) => block.contains(node));
    const block = content.children[place];
    if (block) blocks[place] = !block.classList.contains("streamator-log-block--text");
  }
  return blocks;
}
