import { useEffect } from "react";
import type { LineLook } from "./line.js";
import type { PanelState } from "./panel.js";
import { tagOf } from "./text.js";
import { useLatest } from "./useLatest.js";

/** Copies what is selected in a log as text. Rows of one's own, and more than the log, are copied as the browser does it. */
export function useCopy({ scroller, renderEntry, look }: PanelState): void {
  const copy = useLatest((event: ClipboardEvent) => {
    const selection = document.getSelection();
    if (renderEntry || !selection || selection.isCollapsed || selection.rangeCount === 0) return;
    const range = selection.getRangeAt(0);
    if (!scroller.current?.contains(range.commonAncestorContainer)) return;
    event.clipboardData?.setData("text/plain", selectedText(range, look.words));
    event.preventDefault();
  });
  useEffect(() => {
    const log = scroller.current;
    log?.addEventListener("copy", copy);
    return () => log?.removeEventListener("copy", copy);
  }, [scroller, copy]);
}

/** Rows are lines as those of a block without rows: with the word of their level, and what of them is not shown. */
export function selectedText(range: Range, words: LineLook["words"]): string {
  const { startContainer: from } = range;
  const isWithin = (from instanceof Element ? from : from.parentElement)?.closest(".streamator-log-text"); // its beginning is not selected
  const part = range.cloneContents();
  for (const unwanted of part.querySelectorAll(".streamator-log-line, button")) unwanted.remove();
  for (const [index, row] of part.querySelectorAll(".streamator-log-entry").entries()) {
    const [, level] = / log-entry--(\w+)/.exec(row.className) ?? [];
    if (index > 0 || !isWithin) row.querySelector(".streamator-log-text")?.before(tagOf(level, words));
    row.append("\n");
  }
  return (part.textContent ?? "").replace(/\n$/, "");
}
