import { describe, expect, it } from "vitest";
import { makeTerminal } from "../src/ansi.js";
import type { PanelEntry } from "../src/line.js";
import { Finder, step } from "../src/search.js";

const log = (...texts: string[]): PanelEntry[] => texts.map((text, index) => ({ text, line: index + 1 }));

describe("finding", () => {
  it("takes any case, and what means something to a regular expression as it is", () => {
    const logs = log("Read a.txt", "read aXtxt", "cost: $5 (net)");
    expect(new Finder().find(logs, "A.TXT")).toEqual([0]);
    expect(new Finder().find(logs, "$5 (")).toEqual([2]);
    expect(new Finder().find(logs, "")).toEqual([]);
  });

  it("sees text that colour codes run through", () => {
    const logs = log("all \u001b[31mred\u001b[0m now");
    expect(new Finder().find(logs, "all red now", makeTerminal()(logs))).toEqual([0]);
  });

  it("looks at the new lines only while the log grows", () => {
    const looked: number[] = [];
    const logs = Array.from({ length: 10 }, (_, index) => ({
      line: index + 1,
      get text() {
        looked.push(index);
        return `line ${index}`;
      },
    }));
    const finder = new Finder();
    finder.find(logs.slice(0, 8), "line");
    looked.length = 0;
    expect(finder.find(logs, "line")).toHaveLength(10);
    expect(looked).toEqual([8, 9]);
  });

  it("keeps what it found when the oldest lines go while new ones come", () => {
    const logs = Array.from({ length: 100 }, (_, index) => ({ line: index + 1, text: index % 3 === 0 ? "hit" : "miss" }));
    const finder = new Finder();
    finder.find(logs.slice(0, 80), "hit");
    const now = logs.slice(37, 100);
    expect(finder.find(now, "hit")).toEqual(new Finder().find(now, "hit"));
  });

  it("begins anew for another text, and for another log", () => {
    const finder = new Finder();
    const logs = log("one", "two", "three");
    expect(finder.find(logs, "t")).toEqual([1, 2]);
    expect(finder.find(logs, "tw")).toEqual([1]);
    expect(finder.find(log("two", "one", "two"), "tw")).toEqual([0, 2]);
  });

  it("gives the same array while nothing changed", () => {
    const finder = new Finder();
    const logs = log("one");
    expect(finder.find(logs, "o")).toBe(finder.find(logs, "o"));
  });
});

describe("stepping through what was found", () => {
  it.each([
    [-1, 1, 3],
    [3, 1, 7],
    [5, 1, 7],
    [9, 1, 3],
    [9, -1, 7],
    [3, -1, 9],
  ] as const)("from %d by %d leads to %d", (from, by, to) => {
    expect(step([3, 7, 9], from, by)).toBe(to);
  });

  it("leads nowhere where there is nothing", () => {
    expect(step([], 0, 1)).toBe(-1);
  });
});
