import { act, cleanup, fireEvent, render, screen } from "@testing-library/react";
import { StrictMode } from "react";
import { renderToString } from "react-dom/server";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type * as Library from "../src/index.js";
import type { LogEntry } from "../src/index.js";
import { blocks, drawn, layOut, measured, placesOf, ROW } from "./support/layout.js";

const all: LogEntry[] = Array.from({ length: 3_000 }, (_, index) => ({ text: `line ${index + 1}.`, t: `${index}.0s`, seconds: index, level: "info", id: index + 1, line: index + 1, event: "log" }));

let reported: unknown[];
const onError = (event: ErrorEvent): void => {
  event.preventDefault();
  reported.push(event.error);
};

beforeEach(() => {
  vi.resetModules(); // without the part that tests/support/setup.ts has imported
  layOut();
  reported = [];
  vi.stubGlobal("reportError", (error: unknown) => reported.push(error));
  window.addEventListener("error", onError);
});

afterEach(() => {
  window.removeEventListener("error", onError);
  cleanup();
  vi.doUnmock("../src/log/large.js");
});

const panel = async (): Promise<(typeof Library)["LogPanel"]> => (await import("../src/index.js")).LogPanel;
const log = (): HTMLElement => screen.getByRole("log");
/** The numbers of the lines in the document, as rows or as text. */
const lines = (root: Element = log()): number[] => [...(root.textContent ?? "").matchAll(/line (\d+)\./g)].map(([, number]) => Number(number));
const newest = (count: number, last = 3_000): number[] => Array.from({ length: count }, (_, index) => last - count + index + 1);
const arrives = (): Promise<void> => vi.waitFor(() => expect(lines()).toHaveLength(3_000), { timeout: 10_000 });
const fail = (): never => {
  throw new Error("the chunk is gone");
};
/** Waits until a part is loaded or has failed to load. */
const settle = (): Promise<void> => act(() => new Promise<void>((resolve) => void setTimeout(resolve, 50)));

it("until it is loaded the newest 1,000 lines are all rows, and then every line is in the document", async () => {
  const LogPanel = await panel();
  render(<LogPanel logs={all} active />);
  expect(lines()).toEqual(newest(1_000));
  expect(document.querySelectorAll(".streamator-log-entry")).toHaveLength(1_000);
  await arrives();
  expect(lines()).toEqual(newest(3_000));
  expect(drawn()).toEqual(placesOf(3_000));
});

it("rows keep their element when it is loaded, and rows by renderEntry their index", async () => {
  const LogPanel = await panel();
  render(<LogPanel logs={all} active renderEntry={({ text }, index) => <p>{`${index}: ${text}`}</p>} />);
  const last = (): Element | undefined => [...document.querySelectorAll("p")].at(-1);
  const before = last();
  expect(before?.textContent).toBe("2999: line 3000.");
  await arrives();
  expect(last()).toBe(before);
});

it("the line in view stays when the lines before it come", async () => {
  vi.spyOn(document, "hasFocus").mockReturnValue(true);
  const large = await import("../src/log/parts.js");
  const load = vi.spyOn(large.largePart, "load").mockReturnValue();
  const LogPanel = await panel();
  const { rerender } = render(<LogPanel logs={all} active />);
  fireEvent.wheel(measured(log()), { deltaY: -100 });
  log().scrollTop = 500 * ROW;
  fireEvent.scroll(log());
  load.mockRestore();
  rerender(<LogPanel logs={[...all, { ...(all[0] as LogEntry), text: "line 3001.", line: 3_001, id: 3_001 }]} active />); // from line 2,002 on
  act(() => large.largePart.load());
  await vi.waitFor(() => expect(blocks()[0]?.textContent).toContain("line 1."), { timeout: 10_000 });
  expect(log().scrollTop).toBe((500 + 2_001) * ROW);
});

it("is there in the first render of a page that imports it, and in a server's", async () => {
  const LogPanel = await panel();
  const serverWithout = document.createElement("div");
  serverWithout.innerHTML = renderToString(<LogPanel logs={all} active />);
  expect(lines(serverWithout)).toEqual(newest(1_000));
  await import("../src/large.js");
  const load = vi.fn<() => object>(() => ({}));
  vi.doMock("../src/log/large.js", load);
  render(<LogPanel logs={all} active />);
  expect(lines()).toHaveLength(3_000);
  cleanup();
  render(<LogPanel logs={all} active renderer="window" />);
  expect(document.querySelector(".streamator-log-window")).not.toBeNull();
  await settle();
  expect(load).not.toHaveBeenCalled();
});

it("the renderer window takes effect as soon as it is loaded", async () => {
  const LogPanel = await panel();
  render(<LogPanel logs={all} active renderer="window" />);
  expect(lines()).toEqual(newest(1_000));
  await vi.waitFor(() => expect(document.querySelector(".streamator-log-window")).not.toBeNull(), { timeout: 10_000 });
  expect(lines().at(-1)).toBe(3_000);
  expect(lines().length).toBeLessThanOrEqual(120);
  expect(blocks()).toEqual([]);
});

it("a panel loads it before there is a line, and may unmount meanwhile", async () => {
  const LogPanel = await panel();
  const { largePart } = await import("../src/log/parts.js");
  const { unmount } = render(
    <StrictMode>
      <LogPanel logs={[]} active />
    </StrictMode>,
  );
  unmount();
  await vi.waitFor(() => expect(largePart.getSnapshot()).not.toBeNull(), { timeout: 10_000 });
  render(<LogPanel logs={all} active />);
  expect(lines()).toHaveLength(3_000);
  expect(reported).toEqual([]);
});

it("a failure to load is reported, the panel goes on with the newest 1,000 lines, and tries again after 1,000 more", async () => {
  vi.doMock("../src/log/large.js", fail);
  const LogPanel = await panel();
  const show = (count: number) => (
    <StrictMode>
      <LogPanel logs={all.slice(0, count)} active />
    </StrictMode>
  );
  const { rerender } = render(show(1_500));
  await vi.waitFor(() => expect(reported).toHaveLength(1), { timeout: 10_000 });
  rerender(show(1_900));
  await settle();
  expect(lines()).toEqual(newest(1_000, 1_900));
  expect(reported).toHaveLength(1);
  vi.doUnmock("../src/log/large.js");
  rerender(show(3_000));
  await arrives();
  expect(reported).toHaveLength(1);
});

it("after a failure to load the next panel tries again", async () => {
  vi.doMock("../src/log/large.js", fail);
  const LogPanel = await panel();
  render(<LogPanel logs={all} active />);
  await vi.waitFor(() => expect(reported).toHaveLength(1), { timeout: 10_000 });
  cleanup();
  vi.doUnmock("../src/log/large.js");
  render(<LogPanel logs={all} active />);
  await arrives();
});
