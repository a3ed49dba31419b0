// @vitest-environment node
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { coloursOf, type Pair } from "../src/log/readable.js";
import { DIM, INVERSE, PLAIN, TRUE_COLOR, type Pen } from "../src/log/terminal.js";

// Backgrounds: the panel's own, a marked line's, and those of themes, the worst first. Each light and dark.
const GROUNDS: readonly (readonly number[])[][] = [
  [[0xf8, 0xf8, 0xf8], [0xff, 0xf3, 0xc4], [0xf0, 0xf0, 0xf0], [0xff, 0xff, 0xff], [0xfd, 0xf0, 0xef]],
  [[0x1b, 0x1b, 0x1d], [0x3a, 0x30, 0x0c], [0x33, 0x33, 0x33], [0x00, 0x00, 0x00], [0x4a, 0x20, 0x20]],
];

function luminance(rgb: readonly number[]): number {
  const [red = 0, green = 0, blue = 0] = rgb.map((byte) => (byte / 255 <= 0.04045 ? byte / 255 / 12.92 : ((byte / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(one: readonly number[], other: readonly number[]): number {
  const [low = 0, high = 0] = [luminance(one), luminance(other)].toSorted((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}

const bytes = (css: string): number[] => (css.match(/\d+/g) ?? []).map(Number);

/** The least contrast that a pen's text has, in either scheme. */
function leastContrast(pen: Pen): number {
  const { text, ground } = coloursOf(pen);
  const values = GROUNDS.flatMap((own, scheme) => (ground ? [bytes(ground[scheme] as string)] : own).map((below) => contrast(bytes((text as Pair)[scheme] as string), below)));
  return Math.min(...values);
}

const pen = (fg: number, bg: number, flags = 0): Pen => ({ ...PLAIN, fg, bg, flags });
const sixteen = Array.from({ length: 16 }, (_, index) => index);
const all = Array.from({ length: 256 }, (_, index) => index);
const some = [0, 0x777777, 0xffffff, 0xff0000, 0x00ff00, 0x0000ff, 0xcc6600, 0x808000, 0x7a7a7a].map((rgb) => rgb + TRUE_COLOR);
const LOOKS: [string, number][] = [["plain", 0], ["dim", DIM], ["inverse", INVERSE], ["dim and inverse", DIM | INVERSE]];

describe.each(LOOKS)("text that is %s has 4.5:1", (_, flags) => {
  it("in each of 256 colours, and any other, on the panel's ground in both schemes", () => {
    expect(Math.min(...[...all, ...some].map((fg) => leastContrast(pen(fg, -1, flags))))).toBeGreaterThanOrEqual(4.5);
  });

  it("in each of the sixteen on each of the sixteen, and without a colour of its own", () => {
    expect(Math.min(...sixteen.flatMap((bg) => [-1, ...sixteen].map((fg) => leastContrast(pen(fg, bg, flags)))))).toBeGreaterThanOrEqual(4.5);
  });

  it("in any colour on any other, the same on the same too", () => {
    const values = all.flatMap((bg) => [...some, -1, bg, (bg * 7 + 3) % 256].map((fg) => leastContrast(pen(fg, bg, flags))));
    expect(Math.min(...values, ...some.flatMap((bg) => [...some, ...all].map((fg) => leastContrast(pen(fg, bg, flags)))))).toBeGreaterThanOrEqual(4.5);
  });
});

describe("the style sheet", () => {
  const [css = "", theme = ""] = ["log/log.css", "parts/theme.css"].map((name) => readFileSync(join(import.meta.dirname, "../src", name), "utf8"));
  const bytesOf = (hex: string): number[] => (hex.length === 4 ? hex.replace(/[^#]/g, "$&$&") : hex).match(/[^#]{2}/g)?.map((byte) => Number.parseInt(byte, 16)) ?? [];
  /** Both values of a default colour. */
  const pair = (name: string, within = theme): number[][] => {
    const [, light = "", dark = ""] = new RegExp(`--streamator-default-${name}: light-dark\\((#[0-9a-f]+), (#[0-9a-f]+)\\)`).exec(within) ?? [];
    if (dark === "") throw new Error(`theme.css has no default ${name} with light-dark()`);
    return [light, dark].map(bytesOf);
  };
  const texts = pair("color");
  const grounds = pair("bg");
  const more = theme.slice(theme.indexOf("prefers-contrast: more"));
  /** The contrast of a pair of colours on the panel's own background, and on `others` more. */
  const contrasts = (colours: readonly number[][], others = 0): number[] =>
    colours.flatMap((text, scheme) => (GROUNDS[scheme] ?? []).slice(0, 1 + others).map((ground) => contrast(text, ground)));

  it("has the colours and the grounds that readable.ts assumes", () => {
    expect(GROUNDS.map(([own]) => own)).toEqual(grounds);
    expect(GROUNDS.map((own) => own[1])).toEqual(pair("linked"));
    expect(coloursOf(pen(-1, -1, INVERSE)).ground?.map(bytes)).toEqual(texts);
  });

  it.each(["success", "error", "readable-warning", "color"])("gives %s 4.5:1, on a marked line too", (name) => {
    expect(Math.min(...contrasts(pair(name), 1))).toBeGreaterThanOrEqual(4.5);
    expect(css).toContain(`var(--streamator-default-${name})`);
  });

  it("gives line numbers 4.5:1; in a marked line they and the time have the text's colour", () => {
    expect(Math.min(...contrasts(pair("number")))).toBeGreaterThanOrEqual(4.5);
    expect(css).toMatch(/--linked :is\(\.streamator-log-time, \.streamator-log-line\) \{\s+color: inherit;/);
  });

  // The light defaults are faint by design (2.2:1 and 2.0:1).
  it.each(["time", "warning"])("gives %s 4.5:1 on dark pages, and on light ones with prefers-contrast: more", (name) => {
    const [, dark] = contrasts(pair(name));
    expect(Math.min(dark as number, ...contrasts(pair(name, more)))).toBeGreaterThanOrEqual(4.5);
  });

  it("leaves paler texts 4.5:1, and makes no text of a level paler", () => {
    const opacities = [...css.matchAll(/^ *\.streamator-log-(?:find|level)[^{]*\{[^}]*?(?<!-)opacity: ([\d.]+);|\.streamator-ansi-dim \{ opacity: ([\d.]+);/gm)].map(([, tool, dim]) => Number(tool ?? dim));
    expect(opacities).toHaveLength(4);
    for (const opacity of opacities) {
      for (const [scheme, text] of texts.entries()) {
        const [ground = []] = GROUNDS[scheme] ?? [];
        expect(contrast(text.map((byte, index) => Math.round(byte * opacity + (ground[index] as number) * (1 - opacity))), ground)).toBeGreaterThanOrEqual(4.5);
      }
    }
    expect(css).toMatch(/:is\(\.streamator-log-entry--success, \.streamator-log-entry--warning, \.streamator-log-entry--error\) \.streamator-ansi-dim \{\s+opacity: 1;/);
  });
});

it("a readable colour stays as it is", () => {
  expect(coloursOf(pen(TRUE_COLOR + 0xffffff, TRUE_COLOR + 0x0000ff))).toEqual({ text: ["rgb(255 255 255)", "rgb(255 255 255)"], ground: ["rgb(0 0 255)", "rgb(0 0 255)"] });
  expect(coloursOf(pen(TRUE_COLOR + 0x800000, -1)).text?.[0]).toBe("rgb(128 0 0)");
  expect(coloursOf(pen(TRUE_COLOR + 0xffaaaa, -1)).text?.[1]).toBe("rgb(255 170 170)");
});

it("an unreadable colour keeps its hue: yellow on a light page is a dark yellow", () => {
  const [red = 0, green = 0, blue = 0] = bytes(coloursOf(pen(11, -1)).text?.[0] as string);
  expect(red).toBeGreaterThan(blue * 2);
  expect(green).toBeGreaterThan(blue * 2);
});

it("inverse without a colour is the panel's text as ground", () => {
  expect(coloursOf(pen(-1, -1, INVERSE))).toEqual({ text: ["rgb(248 248 248)", "rgb(27 27 29)"], ground: ["rgb(68 68 68)", "rgb(210 210 212)"] });
});
