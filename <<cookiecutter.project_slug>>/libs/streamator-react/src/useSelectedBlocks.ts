import { useEffect, useRef, useState, type RefObject } from "react";
import { blocksIn, isText, type LogBlock } from "./blocks.js";

/** The keys of the blocks in which a selection begins and ends, and whether those have rows. */
export interface SelectedBlocks {
  readonly [key: number]: boolean;
}

const NONE: SelectedBlocks = {};

/** Blocks that must stay as they are: a selection whose end is taken away grows to the whole block. */
export function useSelectedBlocks(content: RefObject<HTMLElement | null>, blocks: readonly LogBlock[]): SelectedBlocks {
  const [selected, setSelected] = useState(NONE);
  const latest = useRef(blocks);
  useEffect(() => {
    latest.current = blocks;
  });
  useEffect(() => {
    const look = (): void => {
      const now = selectedBlocks(content.current, latest.current);
      setSelected((before) => (JSON.stringify(before) === JSON.stringify(now) ? before : now));
    };
    document.addEventListener("selectionchange", look);
    return () => document.removeEventListener("selectionchange", look);
  }, [content]);
  return selected;
}

function selectedBlocks(content: HTMLElement | null, blocks: readonly LogBlock[]): SelectedBlocks {
  const selection = document.getSelection();
  if (!content || !selection || selection.isCollapsed) return NONE;
  const selected: Record<number, boolean> = {};
  for (const node of [selection.anchorNode, selection.focusNode]) {
    if (node === content || !content.contains(node)) continue;
    const all = blocksIn(content);
    const place = [...all].findIndex((block) => block.contains(node));
    const [element, block] = [all[place], blocks[place]];
    if (element && block) selected[block.key] = !isText(element);
  }
  return selected;
}
