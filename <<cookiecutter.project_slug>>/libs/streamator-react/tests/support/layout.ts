import { vi } from "vitest";

/** Pixels: a row, and what a panel shows of them. */
export const ROW = 20;
export const HEIGHT = 100;

/**
 * Stands in for layout, which happy-dom does not have. Lines have the height ROW as rows, `textRow` in a block without rows, and
 * `guessedRow` in a block that a browser skips. Elements in a skipped group or block have no position.
 */
export function layOut({ textRow = ROW, guessedRow }: { readonly textRow?: number; readonly guessedRow?: number } = {}): void {
  const rowOf = (block: HTMLElement): number =>
    guessedRow !== undefined && block.style.contentVisibility !== "visible" ? guessedRow : block.classList.contains("streamator-log-block--text") ? textRow : ROW;
  const heightOf = (some: readonly HTMLElement[]): number =>
    some.reduce((sum, block) => sum + Number(block.style.getPropertyValue("--streamator-rows")) * rowOf(block), 0);
  vi.spyOn(Element.prototype, "getBoundingClientRect").mockImplementation(function rect(this: Element) {
    const panel = this.closest<HTMLElement>("[role=log]");
    if (!panel || this === panel) return new DOMRect(0, 0, 300, HEIGHT);
    if (this.className === "streamator-log-content") return new DOMRect(0, -panel.scrollTop, 300, heightOf(blocks()));
    const topOf = (block: HTMLElement | undefined): number => heightOf(blocks().slice(0, block ? blocks().indexOf(block) : 0)) - panel.scrollTop;
    const group = this.closest<HTMLElement>(".streamator-log-group");
    const members = blocks().filter((each) => group?.contains(each));
    const groupTop = topOf(members[0]);
    const groupHeight = heightOf(members);
    if (this === group) return new DOMRect(0, groupTop, 300, groupHeight);
    const block = this.closest<HTMLElement>(".streamator-log-block");
    const isSkipped = (element: HTMLElement, top: number, height: number): boolean => element.style.contentVisibility !== "visible" && (top > HEIGHT || top + height < 0);
    if (!block || (group?.nextElementSibling && isSkipped(group, groupTop, groupHeight))) return new DOMRect(); // as in Firefox and WebKit
    const top = topOf(block);
    if (this !== block && isSkipped(block, top, heightOf([block]))) return new DOMRect();
    return this === block ? new DOMRect(0, top, 300, heightOf([block])) : new DOMRect(0, top + [...block.children].indexOf(this) * ROW, 300, ROW);
  });
}

/** The panel with the heights that `layOut` gives it. */
export function measured(panel: HTMLElement): HTMLElement {
  Object.defineProperties(panel, { clientHeight: { value: HEIGHT }, scrollHeight: { get: () => panel.querySelector(".streamator-log-content")?.getBoundingClientRect().height } });
  return panel;
}

export const blocks = (): HTMLElement[] => [...document.querySelectorAll<HTMLElement>(".streamator-log-block")];

/** The indexes of the blocks that hold these lines now, in a log that has all lines from 1. */
export function placesOf(...lines: number[]): number[] {
  let rows = 0;
  const ends = blocks().map(({ style }) => (rows += Number(style.getPropertyValue("--streamator-rows"))));
  return [...new Set(lines.map((line) => ends.findIndex((end) => line <= end)))];
}

/** The block that holds a line now. */
export const blockOf = (line: number): HTMLElement => blocks()[placesOf(line)[0] ?? -1] as HTMLElement;

/** The indexes of the blocks that have rows. */
export const drawn = (): number[] => blocks().flatMap((block, place) => (block.childElementCount > 0 ? [place] : []));
