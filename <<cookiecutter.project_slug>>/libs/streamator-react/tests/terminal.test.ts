// @vitest-environment node
import * as fc from "fast-check";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parseAnsi, stripAnsi } from "../src/log/ansi.js";
import { ourRows, xtermRows } from "./support/xterm.js";

const fixtures = join(import.meta.dirname, "fixtures/terminal");

/** Sequences, ESC written as "␛". */
const seq = (text: string): string => text.replaceAll("␛", "\u001b");

describe("what programs write to a terminal", () => {
  it.each(readdirSync(fixtures))("%s is shown as xterm.js shows it", async (name) => {
    const { how, output } = JSON.parse(readFileSync(join(fixtures, name), "utf8")) as { how: string; output: string };
    expect(how).toMatch(/^recorded: /);
    const shown = ourRows(output);
    expect(shown.length).toBeGreaterThan(0);
    expect(shown).toEqual(await xtermRows(output, shown.length + 2));
  });
});

// Left out: 59 (in xterm.js it mixes with the next underline colour), and RI as one byte, which xterm.js does not know.
const few = fc.constantFrom("", "0", "1", "2", "3", "7", "12");
const word = fc.constantFrom("a", "bc", "hello ", "x  y", "宽", "宽度é", "e\u0301", "🎉", "👩\u200d💻!", "한", "~`q", "ｶ", "🇩🇪", "─┃", "⠋");
const color = fc.oneof(
  fc.constantFrom("5;1", "5;9", "5;100", "5;232", "5;255", "2;0;0;0", "2;1;22;200").map((value) => (code: number) => `${code};${value}`),
  fc.constantFrom("5:1", "5:255", "2::1:22:200", "2::0:0:0").map((value) => (code: number) => `${code}:${value}`),
);
const rendition = fc.oneof(
  fc.constantFrom(...[0, 1, 2, 3, 4, 5, 7, 8, 9, 21, 22, 23, 24, 25, 27, 28, 29, 31, 37, 39, 40, 46, 49, 53, 55, 90, 97, 100, 107].map(String)),
  fc.constantFrom("", "4:0", "4:1", "4:2", "4:3", "4:4", "4:5"),
  fc.tuple(color, fc.constantFrom(38, 48, 58)).map(([make, code]) => make(code)),
);
const token = fc.oneof(
  { weight: 6, arbitrary: word },
  { weight: 4, arbitrary: fc.array(rendition, { maxLength: 4 }).map((codes) => seq(`␛[${codes.join(";")}m`)) },
  { weight: 3, arbitrary: fc.constantFrom("\r", "\n", "\r\n", "\b", "\b\b", "\t", "\v", "\f", "\u0007", "\0", "\u007f", "\u0084", "\u0085") },
  { weight: 4, arbitrary: fc.tuple(few, fc.constantFrom(..."ABCDEFGHXZIbade`sufg")).map(([count, final]) => seq(`␛[${count}${final}`)) },
  { weight: 1, arbitrary: fc.tuple(few, few, fc.constantFrom("H", "f")).map(([y, x, final]) => seq(`␛[${y};${x}${final}`)) },
  { weight: 1, arbitrary: fc.constantFrom("␛[999D", "␛[999A", "␛[1K", "\u009b1K", "␛[3J", "\u009b31m", "\u009bm").map(seq) },
  // Beyond the text nothing has a colour here: these erase and insert without one.
  { weight: 4, arbitrary: fc.tuple(few, fc.constantFrom(..."JKKKPP@@LM")).map(([count, final]) => seq(`␛[49m␛[${count}${final}`)) },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      ..."␛]0;a title\u0007|␛]2;a title␛\\|␛]8;;https://x.test␛\\|␛]8;;␛\\|\u009d0;t\u009c|␛]0;cut\u0018|␛]0;and\u009b32m|␛P1$r0m␛\\|␛P a\u0007b␛\\|\u0090q\u009c|␛_app␛\\|␛^pm␛\\|␛Xsos␛\\|\u0098s\u009c"
        .split("|")
        .map(seq),
    ),
  },
  { weight: 2, arbitrary: fc.constantFrom(..."␛7|␛8|␛D|␛E|\n␛M|␛c|␛=|␛>|␛#3|␛%G|␛(0lqk~`␛(B|␛)0\u000exx\u000f|␛[?25l|␛[?2004h|␛[>4;1m|␛[?4m|␛[!p|␛[2 q|␛[5n|␛[1?3m|␛[ 1m".split("|").map(seq)) },
);
const cut = fc.constantFrom("", "", "␛", "␛[", "␛[3", "␛[38;5", "␛(", "␛[1 ").map(seq);

describe("what a program could write to a terminal", () => {
  it("is shown as xterm.js shows it", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(token, { maxLength: 30 }), cut, async (tokens, end) => {
        const text = tokens.join("") + end;
        const shown = ourRows(text);
        expect(shown).toEqual(await xtermRows(text, shown.length + 2));
      }),
      { seed: 1, numRuns: 300 },
    );
  }, 60_000);

  it("gives the same text as pieces and as a whole", () => {
    fc.assert(
      fc.property(fc.array(token, { maxLength: 12 }), (tokens) => {
        const text = tokens.join("");
        expect(stripAnsi(text)).toBe(
          parseAnsi(text)
            .map((piece) => piece.text)
            .join(""),
        );
      }),
      { seed: 1, numRuns: 1000 },
    );
  });
});
