import { act, cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { LogPanel, type LogEntry } from "../src/index.js";
import { blocks, drawn, HEIGHT, layOut, measured, ROW } from "./support/layout.js";

const all: LogEntry[] = Array.from({ length: 10_000 }, (_, index) => ({ text: `line ${index + 1}.`, t: `${index}.0s`, seconds: index, level: "info", id: index + 1, line: index + 1, event: "log", payload: null }));

beforeEach(() => {
  layOut();
  vi.spyOn(document, "hasFocus").mockReturnValue(true);
});

afterEach(() => {
  document.getSelection()?.removeAllRanges();
  cleanup();
});

function show(logs: readonly LogEntry[] = all) {
  const view = render(<LogPanel logs={logs} active toolbar />);
  return { ...view, panel: measured(screen.getByRole("log")) };
}

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

it("what the reader reads stays where it is when a block above it gets rows that are higher or lower", () => {
  layOut({ textRow: 35 }); // as text, its lines wrap elsewhere
  const { panel } = show();
  fireEvent.wheel(panel, { deltaY: -100 });
  panel.scrollTop = 20 * 200 * 35 + 150; // block 20, which is text until it is measured
  fireEvent.scroll(panel);
  expect(drawn()).toEqual([20]);
  const top = (): number | undefined => blocks()[20]?.children[5]?.getBoundingClientRect().top;
  panel.scrollTop += (top() as number) - 30;
  expect(top()).toBe(30);
  fireEvent.scroll(panel); // block 19 is near now
  expect(drawn()).toEqual([19, 20]);
  expect(top()).toBe(30);
});

it("what the reader reads stays where it is when the block above it, of a height that was guessed, is laid out", () => {
  layOut({ guessedRow: 12 });
  const { panel } = show();
  fireEvent.wheel(panel, { deltaY: -100 });
  panel.scrollTop = 200 * (ROW + 19 * 12) + 150; // block 20, below one that was near before, and others
  fireEvent.scroll(panel);
  const top = (): number | undefined => blocks()[20]?.children[5]?.getBoundingClientRect().top;
  panel.scrollTop += (top() as number) - 30;
  expect(top()).toBe(30);
  fireEvent.scroll(panel); // block 19 is near now
  expect(blocks()[19]?.getBoundingClientRect().height).toBe(200 * ROW);
  expect(top()).toBe(30);
  scrollTo(panel, 6_100);
  expect(blocks()[19]?.getBoundingClientRect().height).toBe(200 * 12);
});

it("what the reader sees at the end is not drawn anew when they leave it", () => {
  const { panel, rerender } = show(all.slice(0, 9_000));
  rerender(<LogPanel logs={all} active toolbar />);
  const row = blocks()[49]?.lastElementChild;
  fireEvent.wheel(panel, { deltaY: -100 });
  expect(row?.textContent).toContain("line 10000.");
  expect(blocks()[49]?.lastElementChild).toBe(row);
});

it("what the reader reads stays where it is when old lines go", () => {
  const { panel, rerender } = show(all.slice(0, 9_000));
  fireEvent.wheel(panel, { deltaY: -100 });
  scrollTo(panel, 4_100);
  rerender(<LogPanel logs={all.slice(300, 9_100)} active toolbar />);
  expect(panel.scrollTop).toBe((4_100 - 1 - 300) * ROW);
});
