// @vitest-environment node
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { coloursOf, type Pair } from "../src/readable.js";
import { DIM, INVERSE, PLAIN, TRUE_COLOR, type Pen } from "../src/terminal.js";

// The panel's own ground, a line that the address names, and the grounds of themes, the furthest first: light, dark.
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
  const css = readFileSync(join(import.meta.dirname, "../src/log.css"), "utf8");
  const bytesOf = (hex: string): number[] => (hex.length === 4 ? hex.replace(/[^#]/g, "$&$&") : hex).match(/[^#]{2}/g)?.map((byte) => Number.parseInt(byte, 16)) ?? [];
  /** Both values of a property's `light-dark()` in the rule of a selector. */
  const pair = (selector: string, property: string, within = css): number[][] => {
    const [, body = ""] = new RegExp(`^ *(?:[^\\n{}]+,\\n *)*${selector.replace(/[.(:)]/g, "\\$&")}(?:,[^{}]*)? \\{([^}]*light-dark[^}]*)\\}`, "m").exec(within) ?? [];
    const [, light = "", dark = ""] = new RegExp(`^ *${property}: [^;]*light-dark\\((#[0-9a-f]+), (#[0-9a-f]+)\\)`, "m").exec(body) ?? [];
    if (dark === "") throw new Error(`log.css has no ${property} with light-dark() for ${selector}`);
    return [light, dark].map(bytesOf);
  };
  const LOG = ":is(.streamator-log, .streamator-log-frame)";
  const texts = pair(LOG, "color");
  const grounds = pair(LOG, "background");
  const more = css.slice(css.indexOf("prefers-contrast: more"));
  /** What a pair of colours has on the panel's own ground, and as many of the others as are asked for. */
  const contrasts = (colours: readonly number[][], others = 0): number[] =>
    colours.flatMap((text, scheme) => (GROUNDS[scheme] ?? []).slice(0, 1 + others).map((ground) => contrast(text, ground)));

  it("has the colours and the grounds that are counted on", () => {
    expect(GROUNDS.map(([own]) => own)).toEqual(grounds);
    expect(GROUNDS.map((own) => own[1])).toEqual(pair(".streamator-log-entry--linked", "--streamator-linked-bg"));
    expect(coloursOf(pen(-1, -1, INVERSE)).ground?.map(bytes)).toEqual(texts);
  });

  it.each([".streamator-log-entry--success", ".streamator-log-entry--error", ".streamator-log-entry--linked.streamator-log-entry--warning", ".streamator-log-whole"])("gives %s 4.5:1", (selector) => {
    expect(Math.min(...contrasts(pair(selector, "color"), 1))).toBeGreaterThanOrEqual(4.5);
  });

  it("gives the numbers of lines 4.5:1; in a marked line they and its time are as its text", () => {
    expect(Math.min(...contrasts(pair(".streamator-log-line", "color")))).toBeGreaterThanOrEqual(4.5);
    expect(css).toMatch(/--linked :is\(\.streamator-log-time, \.streamator-log-line\) \{\s+color: inherit;/);
  });

  // Their light colours are part of how a bare panel is meant to look: 2.2:1 and 2.0:1.
  it.each([".streamator-log-time", ".streamator-log-entry--warning"])("gives %s 4.5:1 in the dark, and in the light to who asks for more contrast", (selector) => {
    const [, dark] = contrasts(pair(selector, "color"));
    expect(Math.min(dark as number, ...contrasts(pair(selector, "color", more)))).toBeGreaterThanOrEqual(4.5);
  });

  it("leaves what it makes paler without a colour 4.5:1, and makes no text of a level paler", () => {
    const opacities = [...css.matchAll(/^ *\.streamator-log-(?:find|level)[^{]*\{[^}]*?opacity: ([\d.]+);|\.streamator-ansi-dim \{ opacity: ([\d.]+);/gm)].map(([, tool, dim]) => Number(tool ?? dim));
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

it("a colour that can be read is shown as it is", () => {
  expect(coloursOf(pen(TRUE_COLOR + 0xffffff, TRUE_COLOR + 0x0000ff))).toEqual({ text: ["rgb(255 255 255)", "rgb(255 255 255)"], ground: ["rgb(0 0 255)", "rgb(0 0 255)"] });
  expect(coloursOf(pen(TRUE_COLOR + 0x800000, -1)).text?.[0]).toBe("rgb(128 0 0)");
  expect(coloursOf(pen(TRUE_COLOR + 0xffaaaa, -1)).text?.[1]).toBe("rgb(255 170 170)");
});

it("a colour that cannot keeps its hue: yellow on a light page is a dark yellow", () => {
  const [red = 0, green = 0, blue = 0] = bytes(coloursOf(pen(11, -1)).text?.[0] as string);
  expect(red).toBeGreaterThan(blue * 2);
  expect(green).toBeGreaterThan(blue * 2);
});

it("inverse without a colour is the panel's text as ground", () => {
  expect(coloursOf(pen(-1, -1, INVERSE))).toEqual({ text: ["rgb(248 248 248)", "rgb(27 27 29)"], ground: ["rgb(68 68 68)", "rgb(210 210 212)"] });
});
