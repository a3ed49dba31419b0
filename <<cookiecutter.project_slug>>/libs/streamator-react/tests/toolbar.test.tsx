import { act, cleanup, fireEvent, render, screen } from "@testing-library/react";
import { StrictMode } from "react";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type * as Library from "../src/index.js";
import type { LogEntry } from "../src/index.js";

const logs: LogEntry[] = Array.from({ length: 5 }, (_, index) => ({ text: `line ${index + 1}`, t: `${index}.0s`, seconds: index, level: "info", id: index + 1, line: index + 1, event: "log" }));

let reported: unknown[];
const onError = (event: ErrorEvent): void => {
  event.preventDefault();
  reported.push(event.error);
};

beforeEach(() => {
  vi.resetModules(); // without the parts that tests/support/setup.ts has imported
  reported = [];
  vi.stubGlobal("reportError", (error: unknown) => reported.push(error));
  window.addEventListener("error", onError);
});

afterEach(() => {
  window.removeEventListener("error", onError);
  cleanup();
  vi.doUnmock("../src/log/toolbar.js");
});

const panel = async (): Promise<(typeof Library)["LogPanel"]> => (await import("../src/index.js")).LogPanel;
const field = (): HTMLElement | null => screen.queryByRole("searchbox");

it("is loaded by the first panel that shows it; until then an empty element reserves its space", async () => {
  const LogPanel = await panel();
  render(<LogPanel logs={logs} active toolbar />);
  const [first] = document.querySelector(".streamator-log-frame")?.children ?? [];
  expect([first?.className, first?.childElementCount]).toEqual(["streamator-log-toolbar", 0]);
  expect(await screen.findByRole("searchbox")).toBeTruthy();
  expect(document.querySelectorAll(".streamator-log-toolbar")).toHaveLength(1);
  fireEvent.change(screen.getByRole("searchbox"), { target: { value: "line" } });
  expect(document.querySelector("output")?.textContent).toBe("5");
});

it("is there at once for the panels after it", async () => {
  const LogPanel = await panel();
  render(<LogPanel logs={logs} active toolbar />);
  await screen.findByRole("searchbox");
  cleanup();
  render(<LogPanel logs={logs} active toolbar />);
  expect(field()).not.toBeNull();
});

it("is there in the first render of a page that imports it", async () => {
  const LogPanel = await panel();
  await import("../src/toolbar.js");
  render(<LogPanel logs={logs} active toolbar />);
  expect(field()).not.toBeNull();
});

const connection = { status: "open", error: null, outcome: null, attempt: 0, dropped: 0, missed: 0, resumes: 0, retryAt: null } as const;

it("includes the connection line, whose space is reserved", async () => {
  const LogPanel = await panel();
  render(<LogPanel logs={logs} active connection={connection} />);
  const line = (): Element | null | undefined => document.querySelector(".streamator-log-frame")?.querySelector(":scope > [role=log] + div");
  expect([line()?.className, line()?.textContent]).toEqual(["streamator-log-connection", ""]);
  await vi.waitFor(() => expect(line()?.textContent).toBe("Live"), { timeout: 10_000 });
  expect(document.querySelectorAll(".streamator-log-connection")).toHaveLength(1);
  expect(field()).toBeNull();
});

it("scrolls to the line in the page's address; the links are there before", async () => {
  window.location.hash = "#L3";
  const scrolled = vi.fn<() => void>();
  Element.prototype.scrollIntoView = scrolled;
  const linked = (): (string | null)[] => [...document.querySelectorAll(".streamator-log-entry--linked .streamator-log-text")].map(({ textContent }) => textContent);
  try {
    const LogPanel = await panel();
    const { rerender } = render(<LogPanel logs={logs} active lineLinks />);
    expect(screen.getAllByRole("link").map(({ textContent }) => textContent)).toEqual(["1", "2", "3", "4", "5"]);
    await vi.waitFor(() => expect(linked()).toEqual(["line 3"]), { timeout: 10_000 });
    await vi.waitFor(() => expect(scrolled).toHaveBeenCalledTimes(1));
    rerender(<LogPanel logs={logs} active linkedLine={2} />);
    expect(linked()).toEqual(["line 2"]);
    expect(scrolled).toHaveBeenCalledTimes(2);
  } finally {
    window.location.hash = "";
    Reflect.deleteProperty(Element.prototype, "scrollIntoView");
  }
});

it("is not loaded by a bare panel", async () => {
  const load = vi.fn<() => object>(() => ({}));
  vi.doMock("../src/log/toolbar.js", load);
  const LogPanel = await panel();
  render(<LogPanel logs={logs} active />);
  await act(() => vi.importActual("../src/log/toolbar.js")); // takes as long as loading it would
  expect(load).not.toHaveBeenCalled();
});

it("that fails to load is reported once, and the log goes on; the next panel tries again", async () => {
  vi.doMock("../src/log/toolbar.js", () => {
    throw new Error("the chunk is gone");
  });
  const LogPanel = await panel();
  const two = (
    <StrictMode>
      <LogPanel logs={logs} active toolbar />
      <LogPanel logs={logs} active toolbar />
    </StrictMode>
  );
  const { rerender } = render(two);
  await vi.waitFor(() => expect(reported).toHaveLength(1));
  rerender(<LogPanel logs={[...logs, { ...(logs[0] as LogEntry), text: "line 6", line: 6 }]} active toolbar />);
  expect(screen.getByRole("log").textContent).toContain("line 6");
  expect(field()).toBeNull();
  cleanup();

  vi.doUnmock("../src/log/toolbar.js");
  render(<LogPanel logs={logs} active toolbar />);
  expect(await screen.findByRole("searchbox")).toBeTruthy();
  expect(reported).toHaveLength(1);
});
