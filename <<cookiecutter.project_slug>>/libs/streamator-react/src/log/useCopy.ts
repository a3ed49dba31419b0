import { useListener } from "../hooks/useLatest.js";
import type { LineLook } from "./line.js";
import type { PanelState } from "./panel.js";
import { tagOf } from "./text.js";

/** Copies a selection in a log as text. The browser copies rows of the caller's own, and selections beyond the log. */
export function useCopy({ scroller, renderEntry, look }: PanelState): void {
  useListener(scroller, "copy", (event: ClipboardEvent) => {
    const selection = document.getSelection();
    if (renderEntry || !selection || selection.isCollapsed || selection.rangeCount === 0) return;
    const range = selection.getRangeAt(0);
    if (!scroller.current?.contains(range.commonAncestorContainer)) return;
    event.clipboardData?.setData("text/plain", selectedText(range, look.words));
    event.preventDefault();
  });
}

/** A selection as text. Rows become lines like those of a block without rows: with the word of their level and their hidden rest. */
export function selectedText(range: Range, words: LineLook["words"]): string {
  const { startContainer: from } = range;
  const isWithin = (from instanceof Element ? from : from.parentElement)?.closest(".streamator-log-text"); // then the selection begins within the first row's text
  const part = range.cloneContents();
  for (const unwanted of part.querySelectorAll(".streamator-log-line, button")) unwanted.remove();
  for (const [index, row] of part.querySelectorAll(".streamator-log-entry").entries()) {
    const [, level] = / log-entry--(\w+)/.exec(row.className) ?? [];
    if (index > 0 || !isWithin) row.querySelector(".streamator-log-text")?.before(tagOf(level, words));
    row.append("\n");
  }
  return (part.textContent ?? "").replace(/\n$/, "");
}
