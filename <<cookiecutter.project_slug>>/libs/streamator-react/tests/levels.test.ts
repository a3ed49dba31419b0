import { describe, expect, it } from "vitest";
import { makeLevelCounter } from "../src/log/levelCounter.js";
import { countLevels } from "../src/log/levels.js";
import type { PanelEntry } from "../src/log/line.js";

const LEVELS = ["info", "info", "error", undefined, "warning"];
const all: PanelEntry[] = Array.from({ length: 100 }, (_, index) => ({ text: "x", line: index + 1, level: LEVELS[index % 5] }));

describe("counting levels", () => {
  it("counts a line without a level as info", () => {
    expect(countLevels(all.slice(0, 5))).toEqual({ info: 3, error: 1, warning: 1 });
  });

  it.each([
    ["grows", 0, 60, 0, 90],
    ["loses its oldest lines", 0, 60, 13, 60],
    ["does both", 0, 60, 33, 100],
    ["is filled anew past all it was", 0, 20, 50, 100],
    ["is cleared", 0, 60, 60, 60],
  ])("is right when the log %s", (_, from, to, laterFrom, laterTo) => {
    const count = makeLevelCounter();
    count(all.slice(from, to));
    const later = all.slice(laterFrom, laterTo);
    const { info = 0, error = 0, warning = 0 } = count(later);
    const whole = countLevels(later);
    expect([info, error, warning]).toEqual([whole.info ?? 0, whole.error ?? 0, whole.warning ?? 0]);
  });

  it("counts lines without numbers, and another log of the same length", () => {
    const count = makeLevelCounter();
    const plain = all.slice(0, 10).map(({ text, level }) => ({ text, level }));
    count(plain);
    expect(count([...plain, { text: "y", level: "error" }])).toEqual({ info: 6, error: 3, warning: 2 });
    expect(count(plain.map(() => ({ text: "z" })))).toEqual({ info: 10 });
  });
});
