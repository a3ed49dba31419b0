import { describe, expect, it } from "vitest";
import { makeTerminal } from "../src/log/ansi.js";
import { shownText, timeText, type LineLook, type PanelEntry } from "../src/log/line.js";
import { linesText, rowsOf } from "../src/log/text.js";
import { selectedText } from "../src/log/useCopy.js";
import { WORDS } from "../src/log/words.js";

const look: LineLook = { time: "elapsed", startedAt: null, ansi: null, links: null, whole: new Set(), showWhole: () => undefined, words: WORDS };
/** The line as a terminal shows it. */
const played = (entry: PanelEntry): LineLook => ({ ...look, ansi: makeTerminal()([entry]) });
const lineText = (entry: PanelEntry, how = look): string => linesText([entry], how).slice(0, -1);

describe("the time of a line", () => {
  it("is seconds since the job began, or the given text", () => {
    expect(timeText({ t: 12.34 }, look)).toBe("12.3s");
    expect(timeText({ t: "12:03" }, look)).toBe("12:03");
    expect(timeText({}, look)).toBe("");
  });

  it("is the time of day if the start is known, else seconds", () => {
    const startedAt = new Date(2026, 0, 1, 9, 59, 50).getTime();
    expect(timeText({ t: 12.34 }, { time: "wall", startedAt })).toBe("10:00:02");
    expect(timeText({ t: 12.34 }, { time: "wall", startedAt: null })).toBe("12.3s");
    expect(timeText({ t: "12.3s", seconds: 12.34 }, { time: "wall", startedAt })).toBe("10:00:02");
    expect(timeText({ t: "12:03" }, { time: "wall", startedAt })).toBe("12:03");
  });

  it("is the time of day for a line with a text and seconds", () => {
    const startedAt = new Date(2026, 0, 1, 9, 59, 50).getTime();
    const entry = { text: "x", t: "12.3s", seconds: 12.34 };
    expect(lineText(entry, { ...look, time: "wall", startedAt })).toBe("10:00:02 x");
    expect(lineText(entry, { ...look, time: "wall", startedAt: null })).toBe("12.3s x");
    expect(lineText({ text: "x", t: "12:03" }, { ...look, time: "wall", startedAt })).toBe("12:03 x");
  });

  it("is empty when off", () => {
    expect(timeText({ t: 12.34 }, { time: "off", startedAt: null })).toBe("");
  });
});

describe("lines as text", () => {
  it("are time, level and text", () => {
    expect(linesText([{ text: "a", t: 1 }, { text: "b", level: "info" }, { text: "bad", t: 1, level: "error" }], look)).toBe("1.0s a\nb\n1.0s [error] bad\n");
  });

  it("have the given words for their levels", () => {
    const german = { ...look, words: { ...WORDS, level: (level: string) => ({ error: "Fehler" })[level] ?? level } };
    expect(lineText({ text: "kaputt", level: "error" }, german)).toBe("[Fehler] kaputt");
    expect(lineText({ text: "fast", level: "warning" }, german)).toBe("[warning] fast");
  });

  it("have no colour codes if those are shown as colours", () => {
    const entry = { text: "\u001b[31mred\u001b[0m" };
    expect(lineText(entry, played(entry))).toBe("red");
    expect(lineText({ text: "\u001b[31mred" })).toBe("\u001b[31mred");
  });

  it("of a selection over rows and blocks out of view are one line each", () => {
    document.body.innerHTML =
      '<div><div class="streamator-log-block">1.0s one\n2.0s two\n</div><div class="streamator-log-block"><div class="streamator-log-entry"><a class="streamator-log-line">3</a><span class="streamator-log-time">3.0s</span> <span class="streamator-log-text"><span>thr</span><span hidden>ee</span></span><button>Show all</button></div><div class="streamator-log-entry"><span class="streamator-log-time">4.0s</span> <span class="streamator-log-text">four</span></div></div></div>';
    const range = document.createRange();
    range.selectNodeContents(document.body);
    expect(selectedText(range, WORDS)).toBe("1.0s one\n2.0s two\n3.0s three\n4.0s four");
  });

  it("of a selection have their levels, except a line that it begins within", () => {
    const row = (level: string, text: string): string =>
      `<div class="streamator-log-entry streamator-log-entry--${level} log-entry log-entry--${level}"><span class="streamator-log-time">1.0s</span> <span class="streamator-log-text">${text}</span></div>`;
    document.body.innerHTML = `<div>${row("error", "one")}${row("warning", "two")}${row("info", "three")}</div>`;
    const range = document.createRange();
    range.selectNodeContents(document.body);
    expect(selectedText(range, WORDS)).toBe("1.0s [error] one\n1.0s [warning] two\n1.0s three");
    range.setStart(document.querySelector(".streamator-log-text")?.firstChild as Text, 1);
    expect(selectedText(range, WORDS)).toBe("ne\n1.0s [warning] two\n1.0s three");
  });
});

describe("a very long line", () => {
  const endOf = (text: string, isTerminal = false): number => shownText({ text }, isTerminal ? played({ text }) : look).end;

  it("is cut at 10,000 characters, and not within a surrogate pair", () => {
    expect(endOf("x".repeat(10_000))).toBe(10_000);
    expect(endOf("x".repeat(1_000_000))).toBe(10_000);
    expect(endOf(`${"x".repeat(9_999)}😀😀`)).toBe(9_999);
  });

  it("is cut after 10,000 shown characters, whatever its codes", () => {
    expect(endOf(`${"x".repeat(9_995)}\u001b[38;5;12m${"red".repeat(10)}`, true)).toBe(10_000);
    expect(endOf(`${"\u001b[31mx".repeat(9_999)}😀😀`, true)).toBe(9_999);
    expect(endOf(`${"x".repeat(9_900)}\u001b[200b`, true)).toBe(10_000);
    expect(endOf(Array.from({ length: 2_000 }, (_, index) => `\r${index} of 2000`).join(""), true)).toBe("1999 of 2000".length);
  });

  it("is shown whole on request", () => {
    const entry = { text: "x".repeat(20_000) };
    expect(shownText(entry, { ...look, whole: new Set([entry]) }).end).toBe(20_000);
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
    expect(rowsOf({ text }, look)).toBe(rows);
  });

  it.each([
    ["one\u001b[2;1Htwo", 2],
    ["one\vtwo", 2],
    ["a bar\n\u001b[A\rdone\u001b[K\u001b[J", 1],
  ])("has as many rows as a terminal shows (%#)", (text, rows) => {
    expect(rowsOf({ text }, played({ text }))).toBe(rows);
  });
});
