import { useEffect } from "react";
import type { PanelState } from "./panel.js";
import { useLatest } from "./useLatest.js";
import { topOf } from "./view.js";

/**
 * What is within the rows, line links and the rest of long lines, is one stop for Tab, the log itself: there Enter leads to
 * what is in view, or to the row of `current`; the arrows lead from one to the next, and Escape back.
 */
export function useKeys({ scroller, content, follower }: PanelState, current: () => Element | null | undefined): void {
  const onKeyDown = useLatest((event: KeyboardEvent) => {
    const { key, ctrlKey, metaKey, altKey, target } = event;
    const [log, inner] = [scroller.current, content.current];
    if (ctrlKey || metaKey || altKey || !log || !inner) return;
    const within = [...log.querySelectorAll<HTMLElement>(".streamator-log-line, .streamator-log-whole")];
    const at = within.indexOf(target as HTMLElement);
    if (target === log && key === "Enter" && within.length > 0) {
      const row = current() ?? topOf(log, inner);
      follower.leave();
      (within.find((one) => row && row.compareDocumentPosition(one) & Node.DOCUMENT_POSITION_FOLLOWING) ?? within[0])?.focus();
    } else if (at !== -1 && (key === "ArrowDown" || key === "ArrowUp")) within[at + (key === "ArrowDown" ? 1 : -1)]?.focus();
    else if (at !== -1 && key === "Escape") log.focus();
    else return;
    event.preventDefault();
  });
  useEffect(() => {
    const log = scroller.current;
    log?.addEventListener("keydown", onKeyDown);
    return () => log?.removeEventListener("keydown", onKeyDown);
  }, [scroller, onKeyDown]);
}
