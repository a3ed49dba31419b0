import { describe, expect, it } from "vitest";
import { parseAnsi, stripAnsi } from "../src/ansi.js";

const ESC = "\u001b";

describe("ANSI colour codes", () => {
  it("cut a line into pieces with classes of a fixed set", () => {
    expect(parseAnsi(`plain ${ESC}[1;31mbad${ESC}[22m less${ESC}[0m end`)).toMatchObject([
      { text: "plain ", className: "" },
      { text: "bad", className: "streamator-ansi-bold streamator-fg-1" },
      { text: " less", className: "streamator-fg-1" },
      { text: " end", className: "" },
    ]);
  });

  it.each([
    ["[32m", "streamator-fg-2"],
    ["[97m", "streamator-fg-15"],
    ["[44m", "streamator-bg-4"],
    ["[103m", "streamator-bg-11"],
    ["[38;5;9m", "streamator-fg-9"],
    ["[4m", "streamator-ansi-underline"],
    ["[9m", "streamator-ansi-strike"],
    ["[31;39m", ""],
    ["[3;23m", ""],
    ["[m", ""],
  ])("%s is %j", (code, className) => {
    expect(parseAnsi(`${ESC}${code}x`)).toMatchObject([{ text: "x", className }]);
  });

  it.each([
    ["[38;2;1;2;3m", { color: "rgb(1 2 3)" }],
    ["[48;2;10;20;30m", { background: "rgb(10 20 30)" }],
    ["[38;5;208m", { color: "rgb(255 135 0)" }],
    ["[38;5;232m", { color: "rgb(8 8 8)" }],
    ["[38;2;999;2;3m", { color: undefined }],
    ["[38;2m", { color: undefined }],
    ["[38;5;256m", { color: undefined, className: "" }],
  ])("%s has the colour %j", (code, look) => {
    expect(parseAnsi(`${ESC}${code}x`)).toMatchObject([{ text: "x", ...look }]);
  });

  it.each([
    ["a cursor that moves", `a${ESC}[2Kb${ESC}[10;3Hc`],
    ["a title", `a${ESC}]0;title\u0007bc`],
    ["a link", `a${ESC}]8;;javascript:alert(1)${ESC}\\b${ESC}]8;;${ESC}\\c`],
    ["a sequence that was cut off", `abc${ESC}[3`],
    ["a lone escape", `abc${ESC}`],
    ["private sequences", `${ESC}[?25labc${ESC}[>c`],
  ])("%s leaves only the text", (_, text) => {
    expect(parseAnsi(text).map((piece) => piece.text).join("")).toMatch(/^abc$/);
    expect(stripAnsi(text)).toMatch(/^abc$/);
  });

  it("takes a hostile line in linear time", () => {
    const text = `${ESC}[${";".repeat(100_000)}`.repeat(5);
    const start = performance.now();
    parseAnsi(text);
    stripAnsi(text);
    expect(performance.now() - start).toBeLessThan(1000);
  });
});
