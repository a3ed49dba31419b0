import { describe, expect, it } from "vitest";
import { makeTerminal } from "../src/ansi.js";
import { linesText, lineText, rowsOf, selectedText, shownLength, timeText } from "../src/line.js";

const look = { time: "elapsed", startedAt: null, ansi: null } as const;

describe("the time of a line", () => {
  it("is seconds since the job began, or as it is given", () => {
    expect(timeText(12.34, look)).toBe("12.3s");
    expect(timeText("12:03", look)).toBe("12:03");
    expect(timeText(undefined, look)).toBe("");
  });

  it("is the time of day where the start is known, seconds where not", () => {
    const startedAt = new Date(2026, 0, 1, 9, 59, 50).getTime();
    expect(timeText(12.34, { time: "wall", startedAt })).toBe("10:00:02");
    expect(timeText(12.34, { time: "wall", startedAt: null })).toBe("12.3s");
    expect(timeText("12.3s", { time: "wall", startedAt }, 12.34)).toBe("10:00:02");
    expect(timeText("12:03", { time: "wall", startedAt })).toBe("12:03");
  });

  it("is the time of day of a line that has its time as text, and its seconds", () => {
    const startedAt = new Date(2026, 0, 1, 9, 59, 50).getTime();
    const entry = { text: "x", t: "12.3s", seconds: 12.34 };
    expect(lineText(entry, { ...look, time: "wall", startedAt })).toBe("10:00:02 x");
    expect(lineText(entry, { ...look, time: "wall", startedAt: null })).toBe("12.3s x");
    expect(lineText({ text: "x", t: "12:03" }, { ...look, time: "wall", startedAt })).toBe("12:03 x");
  });

  it("is nothing when off", () => {
    expect(timeText(12.34, { time: "off", startedAt: null })).toBe("");
  });
});

describe("lines as text", () => {
  it("are time and text, and the level where it is asked for", () => {
    expect(lineText({ text: "bad", t: 1, level: "error" }, look, true)).toBe("1.0s [error] bad");
    expect(linesText([{ text: "a", t: 1 }, { text: "b" }], look)).toBe("1.0s a\nb\n");
  });

  it("are without colour codes where those are shown as colours", () => {
    expect(lineText({ text: "\u001b[31mred\u001b[0m" }, { ...look, ansi: makeTerminal()([]) })).toBe("red");
    expect(lineText({ text: "\u001b[31mred" }, look)).toBe("\u001b[31mred");
  });

  it("of a selection over rows and blocks out of view are a line each", () => {
    document.body.innerHTML =
      '<div><div class="streamator-log-block">1.0s one\n2.0s two\n</div><div class="streamator-log-block"><div class="streamator-log-entry"><a class="streamator-log-line">3</a><span class="streamator-log-time">3.0s</span> <span class="streamator-log-text"><span>thr</span><span hidden>ee</span></span><button>Show all</button></div><div class="streamator-log-entry"><span class="streamator-log-time">4.0s</span> <span class="streamator-log-text">four</span></div></div></div>';
    const range = document.createRange();
    range.selectNodeContents(document.body);
    expect(selectedText(range)).toBe("1.0s one\n2.0s two\n3.0s three\n4.0s four");
  });
});

describe("a line that is too long to be laid out at once", () => {
  const none = { whole: new Set<never>(), ansi: null };
  const shown = (text: string): number => shownLength({ text }, none.whole);

  it("is cut at 10,000 characters, and not within one, nor within an escape sequence", () => {
    expect(shown("x".repeat(10_000))).toBe(10_000);
    expect(shown("x".repeat(1_000_000))).toBe(10_000);
    expect(shown(`${"x".repeat(9_999)}😀😀`)).toBe(9_999);
    expect(shown(`${"x".repeat(9_995)}\u001b[38;5;12mred`)).toBe(9_995);
  });

  it("is shown whole once it was asked for", () => {
    const entry = { text: "x".repeat(20_000) };
    expect(shownLength(entry, new Set([entry]))).toBe(20_000);
  });

  it.each([
    ["one", 1],
    ["one\ntwo", 2],
    ["one\ntwo\n", 2],
    ["\n", 1],
    ["\n\n", 2],
    ["", 1],
    [`${"x".repeat(9_000)}\n${"y".repeat(9_000)}\nz`, 2],
  ])("has as many rows as line breaks that are shown (%#)", (text, rows) => {
    expect(rowsOf({ text }, none)).toBe(rows);
  });
});
