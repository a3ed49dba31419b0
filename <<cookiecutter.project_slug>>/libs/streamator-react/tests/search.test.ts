import { describe, expect, it } from "vitest";
import { makeTerminal } from "../src/log/ansi.js";
import type { PanelEntry } from "../src/log/line.js";
import { Finder, step } from "../src/log/search.js";

const log = (...texts: string[]): PanelEntry[] => texts.map((text, index) => ({ text, line: index + 1 }));

describe("finding", () => {
  it("ignores case, and takes characters of regular expressions literally", () => {
    const logs = log("Read a.txt", "read aXtxt", "cost: $5 (net)");
    expect(new Finder().find(logs, "A.TXT")).toEqual([0]);
    expect(new Finder().find(logs, "$5 (")).toEqual([2]);
    expect(new Finder().find(logs, "")).toEqual([]);
  });

  it("finds text with colour codes in it", () => {
    const logs = log("all \u001b[31mred\u001b[0m now");
    expect(new Finder().find(logs, "all red now", makeTerminal()(logs))).toEqual([0]);
  });

  it("searches new lines only while the log grows", () => {
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

  it("keeps its matches when old lines are dropped and new ones come", () => {
    const logs = Array.from({ length: 100 }, (_, index) => ({ line: index + 1, text: index % 3 === 0 ? "hit" : "miss" }));
    const finder = new Finder();
    finder.find(logs.slice(0, 80), "hit");
    const now = logs.slice(37, 100);
    expect(finder.find(now, "hit")).toEqual(new Finder().find(now, "hit"));
  });

  it("starts over for another text and for another log", () => {
    const finder = new Finder();
    const logs = log("one", "two", "three");
    expect(finder.find(logs, "t")).toEqual([1, 2]);
    expect(finder.find(logs, "tw")).toEqual([1]);
    expect(finder.find(log("two", "one", "two"), "tw")).toEqual([0, 2]);
  });

  it("returns the same array while nothing changes", () => {
    const finder = new Finder();
    const logs = log("one");
    expect(finder.find(logs, "o")).toBe(finder.find(logs, "o"));
  });
});

describe("stepping through matches", () => {
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

  it("returns -1 without matches", () => {
    expect(step([], 0, 1)).toBe(-1);
  });
});
