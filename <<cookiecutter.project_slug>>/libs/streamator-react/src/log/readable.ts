import { DIM, INVERSE, TRUE_COLOR, type Pen } from "./terminal.js";

/** A colour in linear light, each part 0 to 1: for mixing and for contrast. */
type Light = readonly [red: number, green: number, blue: number];

/** A colour for light pages and one for dark pages. */
export type Pair = [light: string, dark: string];

/** WCAG asks for 4.5. A little more, because colours are rounded. */
const RATIO = 4.55;

// Eight to a line: normal, then bright.
const SIXTEEN = [
  0x1a1a1a, 0xc62828, 0x2e7d32, 0xb58900, 0x1a5fb4, 0x8e24aa, 0x00808a, 0xd0d0d0,
  0x767676, 0xf14c4c, 0x43b54d, 0xf5c543, 0x4c9aff, 0xcf6ee4, 0x33bfcc, 0xffffff,
];

/** The panel's own colours. `worst` is the ground with the least contrast, among themes and marked lines. */
const SCHEMES = [
  { text: 0x444444, ground: 0xf8f8f8, worst: 0xf0f0f0 },
  { text: 0xd2d2d4, ground: 0x1b1b1d, worst: 0x333333 },
];

/**
 * The colours of a pen's text and ground, as CSS; undefined for the panel's own. Text with a contrast below 4.5:1 is made
 * lighter or darker.
 */
export function coloursOf({ fg, bg, flags }: Pen): { readonly text?: Pair; readonly ground?: Pair } {
  const inverse = (flags & INVERSE) !== 0;
  if (fg === -1 && bg === -1 && !inverse) return {};
  const pairs = SCHEMES.map((own) => {
    const text = lightOf(fg === -1 ? own.text : rgbOf(fg));
    const ground = lightOf(bg !== -1 ? rgbOf(bg) : inverse ? own.ground : own.worst);
    const [above, below] = inverse ? [ground, text] : [text, ground];
    return [cssOf(readable(flags & DIM ? mix(above, below, 0.4) : above, below)), cssOf(below)];
  });
  const [text, ground] = [0, 1].map((part) => pairs.map((pair) => pair[part])) as [Pair, Pair];
  return bg === -1 && !inverse ? { text } : { text, ground };
}

/** A colour of a pen as CSS. */
export function colourOf(color: number): string {
  return cssOf(lightOf(rgbOf(color)));
}

/** The colour itself if its contrast is enough, else a lighter or darker one. A colour lighter than its ground gets lighter, if that is possible. */
function readable(text: Light, ground: Light): Light {
  const from = luminance(text);
  const under = luminance(ground);
  const lighter = (under + 0.05) * RATIO - 0.05;
  const darker = (under + 0.05) / RATIO - 0.05;
  if (from >= lighter || from <= darker) return text;
  return darker < 0 || (lighter <= 1 && from >= under) ? mix(text, [1, 1, 1], (lighter - from) / (1 - from)) : mix(text, [0, 0, 0], 1 - darker / from);
}

function mix(one: Light, other: Light, share: number): Light {
  return one.map((part, index) => part + ((other[index] as number) - part) * share) as unknown as Light;
}

function luminance([red, green, blue]: Light): number {
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function lightOf(rgb: number): Light {
  const bytes = [rgb >> 16, (rgb >> 8) & 255, rgb & 255];
  return bytes.map((byte) => (byte <= 10 ? byte / 3294.6 : ((byte / 255 + 0.055) / 1.055) ** 2.4)) as unknown as Light;
}

function cssOf(light: Light): string {
  return `rgb(${light.map((part) => Math.round(part <= 0.0031308 ? part * 3294.6 : (1.055 * part ** (1 / 2.4) - 0.055) * 255)).join(" ")})`;
}

/** The RGB of a terminal colour: one of sixteen, a cube of 216, 24 greys, or true colour. */
function rgbOf(color: number): number {
  if (color >= TRUE_COLOR) return color - TRUE_COLOR;
  if (color < 16) return SIXTEEN[color] as number;
  if (color >= 232) return (8 + (color - 232) * 10) * 0x10101;
  return [36, 6, 1].reduce((rgb, weight) => rgb * 256 + ([0, 95, 135, 175, 215, 255][Math.floor((color - 16) / weight) % 6] as number), 0);
}
