import { act, cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { LogPanel, type LogEntry } from "../src/index.js";

const ROW = 20;
const HEIGHT = 100;
const all: LogEntry[] = Array.from({ length: 10_000 }, (_, index) => ({ text: `line ${index + 1}.`, t: `${index}.0s`, seconds: index, level: "info", id: index + 1, line: index + 1, event: "log", payload: null }));

// happy-dom lays nothing out. Here each line is 20 px high, and the panel shows 100 px of them.
beforeEach(() => {
  vi.spyOn(Element.prototype, "getBoundingClientRect").mockImplementation(function rect(this: Element) {
    const panel = this.closest<HTMLElement>("[role=log]");
    if (!panel || this === panel) return new DOMRect(0, 0, 300, HEIGHT);
    if (this.className === "streamator-log-content") return new DOMRect(0, -panel.scrollTop, 300, heightOf([...this.children]));
    const block = this.closest(".streamator-log-block") as Element;
    const blocks = [...(block.parentElement as Element).children];
    const top = heightOf(blocks.slice(0, blocks.indexOf(block))) - panel.scrollTop;
    return this === block ? new DOMRect(0, top, 300, heightOf([block])) : new DOMRect(0, top + [...block.children].indexOf(this) * ROW, 300, ROW);
  });
  vi.spyOn(document, "hasFocus").mockReturnValue(true);
});

afterEach(() => {
  document.getSelection()?.removeAllRanges();
  cleanup();
});

function heightOf(blocks: readonly Element[]): number {
  return blocks.reduce((sum, block) => sum + Number((block as HTMLElement).style.getPropertyValue("--streamator-rows")) * ROW, 0);
}

function show(logs: readonly LogEntry[] = all) {
  const view = render(<LogPanel logs={logs} active toolbar />);
  const panel = screen.getByRole("log");
  Object.defineProperties(panel, { clientHeight: { value: HEIGHT }, scrollHeight: { get: () => heightOf(blocks()) } });
  return { ...view, panel };
}

const blocks = (): HTMLElement[] => [...document.querySelectorAll<HTMLElement>(".streamator-log-block")];
const drawn = (): number[] => blocks().flatMap((block, place) => (block.childElementCount > 0 ? [place] : []));

function scrollTo(panel: HTMLElement, line: number): void {
  panel.scrollTop = (line - 1) * ROW;
  fireEvent.scroll(panel);
}

it("every line is in the document, and only the end has rows while it is followed", () => {
  show();
  expect(drawn()).toEqual([49]);
  expect(blocks().filter(({ childNodes }) => childNodes.length === 1)).toHaveLength(49);
  for (const [place, block] of blocks().entries()) {
    for (const line of [place * 200 + 1, place * 200 + 100, place * 200 + 200]) expect(block.textContent).toContain(`line ${line}.`);
  }
});

it("a log of up to 1,000 lines is all rows, wherever its panel is", () => {
  const { rerender } = show(all.slice(0, 1_000));
  expect(drawn()).toEqual([0, 1, 2, 3, 4]);
  rerender(<LogPanel logs={all.slice(0, 1_001)} active toolbar />);
  expect(drawn()).toEqual([4, 5]);
});

it("a block that ends just before the view's edge has rows too", () => {
  show(all.slice(0, 9_810));
  expect(drawn()).toEqual([48, 49]);
});

it("rows come where the reader scrolls to, and go where they leave", () => {
  const { panel } = show();
  fireEvent.wheel(panel, { deltaY: -100 });
  scrollTo(panel, 4_100);
  expect(drawn()).toEqual([20]);
  scrollTo(panel, 4_201);
  expect(drawn()).toEqual([20, 21]);
  expect(blocks()[49]?.textContent).toContain("line 10000.");
});

it("blocks keep their element when they are drawn and undrawn", () => {
  const { panel } = show();
  const block = blocks()[20];
  fireEvent.wheel(panel, { deltaY: -100 });
  scrollTo(panel, 4_100);
  scrollTo(panel, 100);
  expect(blocks()[20]).toBe(block);
  expect(block?.childNodes).toHaveLength(1);
});

it("a line that is found far away gets its row, in the middle of the panel", () => {
  const { panel } = show();
  fireEvent.change(screen.getByRole("searchbox"), { target: { value: "line 4321." } });
  fireEvent.click(screen.getByRole("button", { name: "Next match" }));
  expect(drawn()).toContain(21);
  expect(panel.scrollTop).toBe(4320 * ROW - (HEIGHT - ROW) / 2);
});

it("stays at the line that was gone to, also at the end, while the log grows", () => {
  const { panel, rerender } = show(all.slice(0, 9_000));
  fireEvent.change(screen.getByRole("searchbox"), { target: { value: "line 9000." } });
  fireEvent.click(screen.getByRole("button", { name: "Next match" }));
  fireEvent.scroll(panel);
  const { scrollTop } = panel;
  rerender(<LogPanel logs={all} active toolbar />);
  expect(panel.scrollTop).toBe(scrollTop);
});

it("the blocks in which a selection begins and ends stay as they are", () => {
  const { panel } = show();
  fireEvent.wheel(panel, { deltaY: -100 });
  scrollTo(panel, 4_100);
  const text = (place: number): Node => (blocks()[place] as HTMLElement).querySelector(".streamator-log-text")?.firstChild ?? (blocks()[place]?.firstChild as Node);
  act(() => {
    document.getSelection()?.setBaseAndExtent(text(20), 2, text(30), 5);
    document.dispatchEvent(new Event("selectionchange"));
  });
  scrollTo(panel, 6_100);
  expect(drawn()).toEqual([20]); // block 30 is in view, but still the text that the selection ends in
  act(() => {
    document.getSelection()?.removeAllRanges();
    document.dispatchEvent(new Event("selectionchange"));
  });
  expect(drawn()).toEqual([30]);
});

it("what the browser's find bar has scrolled to stays text until the reader is back on the page", () => {
  const { panel } = show();
  fireEvent.wheel(panel, { deltaY: -100 });
  scrollTo(panel, 9_900);
  vi.spyOn(performance, "now").mockReturnValue(performance.now() + 5_000);
  vi.spyOn(document, "hasFocus").mockReturnValue(false);
  scrollTo(panel, 4_100);
  expect(drawn()).toEqual([49]);
  fireEvent.focus(window);
  expect(drawn()).toEqual([20]);
});
