import { describe, expect, it } from "vitest";
import { BLOCK, blocksOf, GROUP, groupsOf, makeCutter } from "../src/log/blocks.js";
import type { LineLook, PanelEntry } from "../src/log/line.js";
import { makeStacker } from "../src/log/stack.js";

const numbered = (from: number, to: number): PanelEntry[] => Array.from({ length: to - from + 1 }, (_, index) => ({ text: `${from + index}`, line: from + index }));
const held = (blocks: readonly { lines: readonly PanelEntry[] }[]): PanelEntry[] => blocks.flatMap(({ lines }) => lines);

describe("blocks", () => {
  it.each([0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 1000])("hold %d lines, each once and in order", (count) => {
    const logs = numbered(1, count);
    expect(held(blocksOf(logs))).toEqual(logs);
    expect(blocksOf(logs)).toHaveLength(Math.ceil(count / BLOCK));
  });

  it("know the index of their first line", () => {
    const logs = numbered(151, 700);
    for (const { start, lines } of blocksOf(logs)) expect(logs[start]).toBe(lines[0]);
  });

  it("stay the same while the log grows, all but the last", () => {
    const cut = makeCutter();
    const logs = numbered(1, 5 * BLOCK);
    const before = cut(logs.slice(0, -BLOCK / 2));
    const after = cut(logs);
    expect(after.map(({ lines }) => lines).slice(0, 4)).toEqual(before.map(({ lines }) => lines).slice(0, 4));
    for (const index of [0, 1, 2, 3]) expect(after[index]?.lines).toBe(before[index]?.lines);
    expect(after[4]?.lines).toHaveLength(BLOCK);
  });

  it("stay the same when the oldest lines are dropped, all but the first", () => {
    const cut = makeCutter();
    const logs = numbered(1, 5 * BLOCK);
    const before = cut(logs);
    const after = cut(logs.slice(2.5 * BLOCK));
    expect(after.map(({ key }) => key)).toEqual([2, 3, 4]);
    expect(after[0]?.lines).toHaveLength(BLOCK / 2);
    expect(after[1]?.lines).toBe(before[3]?.lines);
    expect(after[2]?.lines).toBe(before[4]?.lines);
  });

  it("are the same array if nothing changed", () => {
    const cut = makeCutter();
    const logs = numbered(1, 5 * BLOCK);
    expect(cut([...logs])).toBe(cut(logs));
  });

  it("are new for another log with the same numbers", () => {
    const cut = makeCutter();
    const before = cut(numbered(1, 400));
    const after = cut(numbered(1, 400));
    expect(after[0]?.lines).not.toBe(before[0]?.lines);
  });

  it("of a filtered log are cut at the same numbers, and stay when the oldest lines are dropped", () => {
    const cut = makeCutter();
    const errors = numbered(1, 2000).filter(({ line = 0 }) => line % 10 === 0);
    const before = cut(errors);
    expect(held(before)).toEqual(errors);
    expect(before).toHaveLength(2000 / BLOCK);
    const after = cut(errors.slice(30));
    expect(held(after)).toEqual(errors.slice(30));
    expect(after.at(-1)?.lines).toBe(before.at(-1)?.lines);
  });

  it.each([true, false])("have keys of their own, whatever the numbers of the lines (cut: %s)", (isCut) => {
    const logs = [...numbered(500, 900), ...numbered(1, 300)];
    const blocks = blocksOf(logs, [], 0, () => isCut);
    const keys = blocks.map(({ key }) => key);
    expect(new Set(keys).size).toBe(keys.length);
    expect(held(blocks)).toEqual(logs);
  });

  it("hold lines without numbers too", () => {
    const logs = Array.from({ length: 450 }, (_, index) => ({ text: `${index}` }));
    expect(held(blocksOf(logs))).toEqual(logs);
  });
});

describe("lines of several rows in a window", () => {
  const log = (...rows: number[]): PanelEntry[] => rows.map((count, index) => ({ text: String(count), line: index + 1 }));
  /** Lines have as many rows as their text says. */
  const look = (text = (entry: PanelEntry): string => "row\n".repeat(Number(entry.text))): Pick<LineLook, "whole" | "ansi"> => ({
    whole: new Set<PanelEntry>(),
    ansi: { text, end: (_entry, shown) => shown.length, show: (entry) => entry.text },
  });

  it("are stacked", () => {
    const stack = makeStacker()(log(1, 3, 1), look(), false);
    expect(stack.total).toBe(5);
    expect([0, 1, 2].map(stack.top)).toEqual([0, 1, 4]);
    expect([0, 1, 2, 3, 4, 5].map(stack.at)).toEqual([0, 1, 1, 1, 2, 3]);
  });

  it("are counted once while the log grows and drops its oldest lines", () => {
    const counted: string[] = [];
    const counting = look((entry) => {
      counted.push(entry.text);
      return "row\n".repeat(Number(entry.text));
    });
    const stacked = makeStacker();
    const logs = log(1, 3, 1, 2, 5);
    stacked(logs.slice(0, 3), counting, false);
    counted.length = 0;
    const stack = stacked(logs.slice(1), counting, false);
    expect(counted).toEqual(["2", "5"]);
    expect(stack.total).toBe(11);
    expect([0, 1, 2, 3].map(stack.top)).toEqual([0, 3, 4, 6]);
  });

  it("are counted again for another log and for another look", () => {
    const stacked = makeStacker();
    const own = look();
    expect(stacked(log(1, 3), own, false).total).toBe(4);
    expect(stacked(log(2, 2, 2), own, false).total).toBe(6);
    expect(stacked(log(2, 2, 2), own, true).total).toBe(3);
    expect(stacked([], look(), false).total).toBe(0);
  });
});

describe("groups", () => {
  it("have the same blocks while the log grows and drops its oldest lines", () => {
    const logs = numbered(1, 3.5 * GROUP * BLOCK);
    const keys = (from: number, to: number): [number, number[]][] => Object.entries(groupsOf(blocksOf(logs.slice(from, to)))).map(([key, blocks]) => [Number(key), blocks.map((block) => block.key)]);
    const before = keys(0, 2.5 * GROUP * BLOCK);
    const after = keys(1.5 * GROUP * BLOCK, logs.length);
    expect(before.map(([key]) => key)).toEqual([0, 1, 2]);
    expect(after.map(([key]) => key)).toEqual([1, 2, 3]);
    expect(before.flatMap(([, blocks]) => blocks)).toEqual(Array.from({ length: 2.5 * GROUP }, (_, key) => key));
    for (const [key, blocks] of [...before, ...after]) expect(blocks.every((block) => Math.floor(block / GROUP) === key)).toBe(true);
  });

  it.each([
    ["whole", numbered(1.5 * BLOCK, 3.5 * GROUP * BLOCK)],
    ["filtered", numbered(1.5 * BLOCK, 3.5 * GROUP * BLOCK).filter(({ line = 0 }) => line % 7 === 0)],
  ])("are one block each where they are not cut, of a log that is %s", (_, logs) => {
    const asked: [number, number, PanelEntry?, PanelEntry?][] = [];
    const isCut = (first: number, last: number, from: number, end: number): boolean => {
      asked.push([first, last, logs[from], logs[end - 1]]);
      return Math.floor(last / GROUP) === 1;
    };
    const blocks = blocksOf(logs, [], 0, isCut);
    expect(held(blocks)).toEqual(logs);
    for (const [index, { key, last, start }] of blocks.entries()) {
      expect(last).toBe(Math.floor(key / GROUP) === 1 ? key : Math.floor(key / GROUP) * GROUP + GROUP - 1);
      expect(key).toBeGreaterThan(blocks[index - 1]?.last ?? -1);
      expect(logs[start]).toBe(blocks[index]?.lines[0]);
    }
    for (const [first, last, from, end] of asked) {
      expect([first, last]).toEqual([Math.floor(((from?.line ?? 0) - 1) / BLOCK), Math.floor(first / GROUP) * GROUP + GROUP - 1]);
      expect(Math.floor(((end?.line ?? 0) - 1) / BLOCK)).toBeLessThanOrEqual(last);
    }
  });

  it("keep their lines while they are cut and put together", () => {
    const cut = makeCutter();
    const logs = numbered(1, 3 * GROUP * BLOCK);
    const whole = cut(logs, 0, () => false);
    const one = cut(logs, 0, (first) => first === GROUP);
    expect([one[0]?.lines, one.at(-1)?.lines]).toEqual([whole[0]?.lines, whole.at(-1)?.lines]);
    expect(one[0]?.lines).toBe(whole[0]?.lines);
    expect(one.at(-1)?.lines).toBe(whole.at(-1)?.lines);
    expect(one.map(({ key }) => key)).toEqual([0, ...Array.from({ length: GROUP }, (_, index) => GROUP + index), 2 * GROUP]);
  });
});
