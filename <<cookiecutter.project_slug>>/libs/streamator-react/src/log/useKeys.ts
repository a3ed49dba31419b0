import { useListener } from "../hooks/useLatest.js";
import type { PanelState } from "./panel.js";
import { topOf } from "./view.js";

/**
 * Keys for the line links and the buttons of long lines, which are no stops for Tab. In the log, Enter moves the focus to the
 * first one in view, or to the row of `current`; the arrows move it to the next or the previous one, Escape back to the log.
 */
export function useKeys({ scroller, content, follower }: PanelState, current: () => Element | null | undefined): void {
  useListener(scroller, "keydown", (event: KeyboardEvent) => {
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
}
