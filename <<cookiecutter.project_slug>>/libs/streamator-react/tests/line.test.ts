import { describe, expect, it } from "vitest";
import { makeTerminal } from "../src/ansi.js";
import { linesText, lineText, selectedText, timeText } from "../src/line.js";

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
      '<div><div class="streamator-log-block">1.0s one\n2.0s two\n</div><div class="streamator-log-block"><div class="streamator-log-entry"><a class="streamator-log-line">3</a><span class="streamator-log-time">3.0s</span><span class="streamator-log-text">three</span></div><div class="streamator-log-entry"><span class="streamator-log-time">4.0s</span><span class="streamator-log-text">four</span></div></div></div>';
    const range = document.createRange();
    range.selectNodeContents(document.body);
    expect(selectedText(range)).toBe("1.0s one\n2.0s two\n3.0s three\n4.0s four");
  });
});
