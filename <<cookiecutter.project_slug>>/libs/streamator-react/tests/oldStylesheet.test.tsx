import { act, cleanup, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { LogPanel, type PanelEntry } from "../src/index.js";

// The second way to migrate: the page keeps the style sheet that it had, and imports none of ours.
const OLD = `
.log { max-height: 160px; overflow-y: auto; font-family: monospace; }
.log-entry { display: flex; gap: 8px; }
.log-entry--error { color: rgb(198, 40, 40); }
.log-entry--success { color: rgb(46, 125, 50); }
.log-time { color: rgb(170, 170, 170); flex-shrink: 0; }
.log-waiting { color: rgb(170, 170, 171); }
`;

beforeEach(() => {
  vi.useFakeTimers();
  const style = document.createElement("style");
  style.textContent = OLD;
  document.head.append(style);
});

afterEach(() => {
  cleanup();
  document.head.replaceChildren();
});

const entry = (line: number, text: string, level: string): PanelEntry => ({ text, t: line, level, line });
const logs = [entry(1, "plain", "info"), entry(2, "bad", "error"), entry(3, "good", "success")];

/** The visible texts: without those for screen readers only. */
function seen(element: Element): string {
  const { display, position, width, clipPath } = getComputedStyle(element);
  if (element.hasAttribute("hidden") || display === "none" || (position === "absolute" && width === "1px" && clipPath === "inset(50%)")) return "";
  return [...element.childNodes].map((node) => (node instanceof Element ? seen(node) : node.textContent)).join("");
}

it("its rules apply to the panel, its rows, times, levels and waiting text", () => {
  const { rerender } = render(<LogPanel className="log" logs={[]} active />);
  expect(getComputedStyle(screen.getByText("⏳ Starting…")).color).toBe("rgb(170, 170, 171)");
  rerender(<LogPanel className="log" logs={logs} active />);
  expect(getComputedStyle(document.querySelector("[role=log]") as Element).overflowY).toBe("auto");
  const [plain, bad, good] = [...document.querySelectorAll(".log .log-entry")].map((row) => getComputedStyle(row));
  expect(plain?.display).toBe("flex");
  expect(bad?.color).toBe("rgb(198, 40, 40)");
  expect(good?.color).toBe("rgb(46, 125, 50)");
  expect([...document.querySelectorAll(".log-entry > .log-time")].map((time) => getComputedStyle(time).color)).toEqual(Array.from({ length: 3 }, () => "rgb(170, 170, 170)"));
});

it("what our style sheet hides is hidden without it, too", () => {
  const { container } = render(<LogPanel className="log" logs={logs} active />);
  act(() => void vi.advanceTimersByTime(60_000));
  expect(screen.getByRole("status").textContent).toBe("1 error, 3 lines");
  expect(seen(container)).toBe("1.0s plain2.0s bad3.0s good");
});

it("maxHeight works", () => {
  render(<LogPanel className="log" logs={logs} active maxHeight="300px" />);
  expect(getComputedStyle(document.querySelector("[role=log]") as Element).maxHeight).toBe("300px");
});

it("a long line shows only its beginning", () => {
  const { container } = render(<LogPanel className="log" logs={[entry(1, "x".repeat(50_000), "info")]} active summary={false} />);
  expect(seen(container)).toBe(`1.0s ${"x".repeat(10_000)}Show all 50,000 characters`);
});

it("lines out of view keep their line breaks", () => {
  vi.spyOn(Element.prototype, "getBoundingClientRect").mockReturnValue(new DOMRect(0, 0, 300, 100));
  render(<LogPanel className="log" logs={Array.from({ length: 2_000 }, (_, index) => entry(index + 1, "text", "info"))} active />);
  expect(getComputedStyle(document.querySelector(".streamator-log-block") as Element).whiteSpace).toBe("pre-wrap");
});
