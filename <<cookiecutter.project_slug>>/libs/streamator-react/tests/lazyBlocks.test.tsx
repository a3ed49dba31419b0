import { act, cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { BLOCK, GROUP } from "../src/log/blocks.js";
import { LogPanel, type LogEntry } from "../src/index.js";
import { blockOf, blocks, drawn, HEIGHT, layOut, measured, placesOf, ROW } from "./support/layout.js";

const all: LogEntry[] = Array.from({ length: 10_000 }, (_, index) => ({ text: `line ${index + 1}.`, t: `${index}.0s`, seconds: index, level: "info", id: index + 1, line: index + 1, event: "log" }));

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
  expect(drawn()).toEqual(placesOf(10_000));
  const [groups, near] = [10_000 / BLOCK / GROUP - 1, GROUP - 1];
  expect(blocks().filter(({ childNodes }) => childNodes.length === 1)).toHaveLength(groups + near);
  expect(blocks().flatMap(({ textContent }) => textContent?.match(/line \d+\./g) ?? [])).toEqual(all.map(({ text }) => text));
});

it("a hundred thousand lines are a few hundred elements, wherever the reader is", () => {
  const many = Array.from({ length: 100_000 }, (_, index) => ({ text: `line ${index + 1}.`, line: index + 1 }));
  render(<LogPanel logs={many} active />);
  const panel = measured(screen.getByRole("log"));
  const count = (): number => panel.querySelectorAll("*").length;
  expect(count()).toBeLessThan(600);
  fireEvent.wheel(panel, { deltaY: -100 });
  scrollTo(panel, 50_001);
  expect(drawn()).toEqual(placesOf(50_000, 50_001));
  expect(count()).toBeLessThan(800);
});

it("a line in a block out of view has the word of its level before its text", () => {
  const levels = ["error", "warning", "success", "info"] as const;
  const logs = all.map((entry, index) => ({ ...entry, level: levels[index % 4] ?? "info" }));
  const { rerender } = show(logs);
  expect(blocks()[0]?.textContent).toMatch(/^0\.0s \[error\] line 1\.\n1\.0s \[warning\] line 2\.\n2\.0s \[success\] line 3\.\n3\.0s line 4\.\n/);
  rerender(<LogPanel logs={logs} active toolbar words={{ level: (level) => ({ error: "Fehler" })[level] ?? level }} />);
  expect(blocks()[0]?.textContent).toMatch(/^0\.0s \[Fehler\] line 1\.\n1\.0s \[warning\] line 2\.\n/);
});

it("copied lines have the same words from rows and from blocks out of view", () => {
  const { panel } = show(all.map((entry) => ({ ...entry, level: "error" })));
  document.getSelection()?.selectAllChildren(panel);
  const copied = new Map<string, string>();
  fireEvent.copy(panel, { clipboardData: { setData: (type: string, text: string) => copied.set(type, text) } });
  expect(copied.get("text/plain")?.split("\n")).toEqual(all.map(({ t, text }) => `${t} [error] ${text}`));
});

it("a log of up to 1,000 lines is all rows, wherever its panel is", () => {
  const { rerender } = show(all.slice(0, 1_000));
  expect(drawn()).toEqual(placesOf(...all.slice(0, 1_000).map(({ line }) => line)));
  rerender(<LogPanel logs={all.slice(0, 1_001)} active toolbar />);
  expect(drawn()).toEqual(placesOf(1_000, 1_001)); // of the 60 lines at the end
});

it("a block that ends just before the view's edge has rows too", () => {
  show(all.slice(0, 9_810));
  expect(drawn()).toEqual(placesOf(9_751, 9_810));
});

it("rows appear near the view, and go when the reader scrolls away", () => {
  const { panel } = show();
  fireEvent.wheel(panel, { deltaY: -100 });
  scrollTo(panel, 4_150);
  expect(drawn()).toEqual(placesOf(4_150));
  scrollTo(panel, 4_201);
  expect(drawn()).toEqual(placesOf(4_200, 4_201));
  expect(blocks().at(-1)?.textContent).toContain("line 10000.");
});

it("rows appear for lines that late layout moves into view", async () => {
  const resized: [Element, () => void][] = [];
  function Observer(told: () => void): Pick<ResizeObserver, "observe" | "disconnect"> {
    return { observe: (element) => void resized.push([element, told]), disconnect: () => undefined };
  }
  vi.stubGlobal("ResizeObserver", Observer);
  const { panel } = show();
  fireEvent.wheel(panel, { deltaY: -100 });
  scrollTo(panel, 4_150);
  expect(drawn()).toEqual(placesOf(4_150));
  layOut({ textRow: 21 });
  for (const [element, told] of resized) if (element.className === "streamator-log-content") told();
  await act(() => new Promise((resolve) => void requestAnimationFrame(resolve)));
  const line = Math.floor((4_149 * ROW) / 21) + 1;
  expect(Math.floor(line / BLOCK)).toBe(39);
  expect(drawn()).toEqual(expect.arrayContaining(placesOf(line)));
});

it("blocks keep their element when rows come and go", () => {
  const { panel } = show();
  fireEvent.wheel(panel, { deltaY: -100 });
  scrollTo(panel, 4_150);
  const block = blockOf(4_150);
  expect(block.childElementCount).toBe(BLOCK);
  scrollTo(panel, 4_850);
  expect(blockOf(4_150)).toBe(block);
  expect(block.childNodes).toHaveLength(1);
});

it("a match far away gets its row, in the middle of the panel", () => {
  const { panel } = show();
  fireEvent.change(screen.getByRole("searchbox"), { target: { value: "line 4321." } });
  fireEvent.click(screen.getByRole("button", { name: "Next match" }));
  expect(drawn()).toEqual(expect.arrayContaining(placesOf(4_321)));
  expect(panel.scrollTop).toBe(4320 * ROW - (HEIGHT - ROW) / 2);
});

it("matches are marked in the rows in view, and near it when the reader has left the end", () => {
  const registry = new Map<string, Set<Range>>();
  vi.stubGlobal("Highlight", Set);
  vi.stubGlobal("CSS", { highlights: registry });
  const marked = (): number => [...registry.values()].reduce((sum, { size }) => sum + size, 0);
  const { panel } = show();
  panel.scrollTop = 10_000 * ROW - HEIGHT; // the end of the log, which it follows
  fireEvent.change(screen.getByRole("searchbox"), { target: { value: "line" } });
  const seen = HEIGHT / ROW + 1; // and the row at the edge
  expect(marked()).toBe(seen);
  fireEvent.wheel(panel, { deltaY: -100 });
  scrollTo(panel, 4_150);
  expect(marked()).toBeGreaterThan(2 * seen);
  expect(marked()).toBeLessThan(4 * seen);
});

it("of very many matches the newest are marked while the log follows, and all when the reader has left", () => {
  const registry = new Map<string, Set<Range>>();
  vi.stubGlobal("Highlight", Set);
  vi.stubGlobal("CSS", { highlights: registry });
  const marked = (line: number): number => [...(registry.get("streamator-find") ?? [])].filter(({ startContainer }) => startContainer.textContent?.startsWith(`${line}:`)).length;
  const logs = all.map((entry) => ({ ...entry, text: `${entry.line}: ${"e".repeat(25)}` }));
  const { panel, rerender } = show(logs.slice(0, -1));
  panel.scrollTop = 9_999 * ROW - HEIGHT;
  fireEvent.change(screen.getByRole("searchbox"), { target: { value: "e" } });
  expect([9_999, 9_998, 9_997, 9_996].map(marked)).toEqual([25, 25, 10, 0]);
  panel.scrollTop = 10_000 * ROW - HEIGHT;
  rerender(<LogPanel logs={logs} active toolbar />);
  expect([10_000, 9_999, 9_998, 9_997].map(marked)).toEqual([25, 25, 10, 0]);
  fireEvent.wheel(panel, { deltaY: -100 });
  scrollTo(panel, 9_990);
  expect([9_999, 9_998, 9_990, 9_986].map(marked)).toEqual([25, 25, 25, 25]);
});

it("stays at the linked line, also at the end, while the log grows", () => {
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
  scrollTo(panel, 4_150);
  const text = (line: number): Node => blockOf(line).querySelector(".streamator-log-text")?.firstChild ?? (blockOf(line).firstChild as Node);
  act(() => {
    document.getSelection()?.setBaseAndExtent(text(4_150), 2, text(6_150), 5);
    document.dispatchEvent(new Event("selectionchange"));
  });
  scrollTo(panel, 6_150);
  expect(drawn()).toEqual(placesOf(4_150)); // the other one is in view too, but stays text: the selection ends in it
  act(() => {
    document.getSelection()?.removeAllRanges();
    document.dispatchEvent(new Event("selectionchange"));
  });
  expect(drawn()).toEqual(placesOf(6_150));
});

it("lines that the browser's find bar scrolled to stay text until the reader is back on the page", () => {
  const { panel } = show();
  fireEvent.wheel(panel, { deltaY: -100 });
  scrollTo(panel, 9_950);
  vi.spyOn(performance, "now").mockReturnValue(performance.now() + 5_000);
  vi.spyOn(document, "hasFocus").mockReturnValue(false);
  scrollTo(panel, 4_150);
  expect(drawn()).toEqual(placesOf(9_950));
  fireEvent.focus(window);
  expect(drawn()).toEqual(placesOf(4_150));
});

it("the line in view stays when a block above it gets rows of another height", () => {
  layOut({ textRow: 35 }); // as text, its lines wrap elsewhere
  const { panel } = show();
  fireEvent.wheel(panel, { deltaY: -100 });
  panel.scrollTop = 4_000 * 35 + 150; // in a block that is text before the measurement
  fireEvent.scroll(panel);
  expect(drawn()).toEqual(placesOf(4_001));
  const top = (): number | undefined => blockOf(4_001).children[5]?.getBoundingClientRect().top;
  panel.scrollTop += (top() as number) - 30;
  expect(top()).toBe(30);
  fireEvent.scroll(panel); // the one before is near now
  expect(drawn()).toEqual(placesOf(4_000, 4_001));
  expect(top()).toBe(30);
});

it("the line in view stays when a block above it is laid out", () => {
  layOut({ guessedRow: 12 });
  const { panel } = show();
  fireEvent.wheel(panel, { deltaY: -100 });
  panel.scrollTop = BLOCK * (ROW + 39 * 12) + 150; // below one that was near before, and others
  fireEvent.scroll(panel);
  const top = (): number | undefined => blockOf(4_001).children[5]?.getBoundingClientRect().top;
  panel.scrollTop += (top() as number) - 30;
  expect(top()).toBe(30);
  fireEvent.scroll(panel); // the one before is near now
  expect(blockOf(4_000).getBoundingClientRect().height).toBe(BLOCK * ROW);
  expect(top()).toBe(30);
  scrollTo(panel, 6_100);
  expect(blockOf(4_000).style.contentVisibility).toBe("");
});

it("groups near the view are cut into blocks and laid out; other groups are one block", () => {
  const { panel } = show();
  const groups = [...panel.querySelectorAll<HTMLElement>(".streamator-log-group")];
  const laidOut = (): number[] => groups.flatMap(({ style }, place) => (style.contentVisibility === "visible" ? [place] : []));
  const cut = (): number[] => groups.flatMap(({ children }, place) => (children.length === GROUP ? [place] : children.length === 1 ? [] : [Number.NaN]));
  expect(cut()).toEqual([groups.length - 1]);
  expect(groups.map(({ style }) => Number(style.getPropertyValue("--streamator-rows")))).toEqual(groups.map(() => GROUP * BLOCK));
  expect(laidOut()).toEqual([]);
  fireEvent.wheel(panel, { deltaY: -100 });
  scrollTo(panel, 2.5 * GROUP * BLOCK);
  expect(laidOut()).toEqual([2]);
  expect(cut()).toEqual([2]);
  scrollTo(panel, 4 * GROUP * BLOCK + 2);
  expect(laidOut()).toEqual([3, 4]);
  expect(cut()).toEqual([3, 4]);
});

it("rows at the end do not render again when the reader leaves it", () => {
  const { panel, rerender } = show(all.slice(0, 9_000));
  rerender(<LogPanel logs={all} active toolbar />);
  const row = blocks().at(-1)?.lastElementChild;
  fireEvent.wheel(panel, { deltaY: -100 });
  expect(row?.textContent).toContain("line 10000.");
  expect(blocks().at(-1)?.lastElementChild).toBe(row);
});

it("the line in view stays when old lines are dropped", () => {
  const { panel, rerender } = show(all.slice(0, 9_000));
  fireEvent.wheel(panel, { deltaY: -100 });
  scrollTo(panel, 4_100);
  rerender(<LogPanel logs={all.slice(300, 9_100)} active toolbar />);
  expect(panel.scrollTop).toBe((4_100 - 1 - 300) * ROW);
});
