/** The look of a cell, as set by SGR. A colour is 0 to 255, or TRUE_COLOR plus its RGB; -1 for the default. */
export interface Pen {
  /** Bits, by the code that sets them: 1 bold, 2 dim, 3 italic, 7 inverse, 8 concealed, 9 struck, and OVERLINE. */
  readonly flags: number;
  /** 0 none, 1 single, 2 double, 3 curly, 4 dotted, 5 dashed. */
  readonly underline: number;
  readonly fg: number;
  readonly bg: number;
  /** The colour of the underline. */
  readonly line: number;
}

export const PLAIN: Pen = { flags: 0, underline: 0, fg: -1, bg: -1, line: -1 };
export const TRUE_COLOR = 0x1000000;
export const BOLD = 2 ** 1;
export const DIM = 2 ** 2;
export const ITALIC = 2 ** 3;
export const INVERSE = 2 ** 7;
export const CONCEALED = 2 ** 8;
export const STRUCK = 2 ** 9;
export const OVERLINE = 2 ** 10;

/** A cell holds a character with its combining marks, or a space if it is concealed. The second cell of a wide character holds "". */
export interface Row {
  readonly chars: string[];
  readonly pens: Pen[];
}

/** The most columns and rows that a cursor can move to. Text may go beyond. */
const EDGE = 200;

// Printable text; or a control sequence (CSI: parameters, intermediates, final); or a string (OSC; DCS, SOS, PM, APC) up to
// its end; or another escape; or a control character. A string without an end in its line counts as text.
const TOKEN =
  // oxlint-disable-next-line no-control-regex -- these are what it looks for
  /[^\0-\x1f\x7f-\x9f]+|(?:\x1b\[|\x9b)([0-?]*)([ -?]*)([@-~]?)|(?:\x1b\]|\x9d)(?:[^\n\x07\x18\x1a\x1b\x80-\x9f]*(?:[\x07\x18\x1a\x9c]|(?=[\x1b\x80-\x9f])))?|(?:\x1b[PX^_]|[\x90\x98\x9e\x9f])(?:[^\n\x18\x1a\x1b\x80-\x9f]*(?:[\x18\x1a\x9c]|(?=[\x1b\x80-\x9f])))?|\x1b([ -/]*)([0-~]?)|[^]/g;

// Characters above U+02FF that take no cell, and that take two.
export const NO_CELL = /[\p{Mn}\p{Me}\p{Cf}\u1160-\u11ff]/u;
const TWO_CELLS =
  /(?![\u{1f1e6}-\u{1f1ff}])\p{Emoji_Presentation}|[\u1100-\u115f\u2329\u232a\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe19\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{16fe0}-\u{1b2ff}\u{1f200}-\u{1f265}\u{20000}-\u{3fffd}]/u;

/** The characters of the DEC graphics set for "`" to "~". */
const GRAPHICS = "◆▒␉␌␍␊°±␤␋┘┐┌└┼⎺⎻─⎼⎽├┤┴┬│≤≥π≠£·";

/**
 * Plays a message on a screen of its own and returns the pen at its end. Fills `rows`; a row that the cursor never reached is
 * a hole. Without `rows` it follows the pen only. Time and memory are linear in the text.
 *
 * It differs from a terminal on purpose. The screen has no right edge and no end, so lines neither wrap nor scroll, and an
 * erased line end gets no colour. A line end breaks off any sequence, so that a cut one hides no more than its line. An
 * invalid rendition changes nothing. Nothing blinks. There are no links, scroll regions, margins, tab stops, insert mode or
 * alternate screen.
 */
export function play(text: string, pen: Pen, rows?: (Row | undefined)[]): Pen {
  const screen = rows ?? [];
  let x = 0;
  let y = 0;
  let saved = { x, y, pen };
  let sets = [false, false]; // whether G0 and G1 are the graphics set
  let shifted = 0;
  let last = ""; // the last character, for REP
  let spare = 4 * text.length + 10_000; // the budget of cells and rows to fill, move or erase

  const row = (): Row => (screen[y] ??= { chars: [], pens: [] });
  const pad = ({ chars, pens }: Row, to: number): void => {
    for (; chars.length < to && spare > 0; spare -= 1) {
      chars.push(" ");
      pens.push(PLAIN);
    }
  };
  /** Blanks a wide character that loses one half. */
  const split = ({ chars, pens }: Row, at: number, as: Pen): void => {
    if (chars[at] !== "") return;
    chars[at - 1] = chars[at] = " ";
    pens[at - 1] = pens[at] = as;
  };
  const put = (char: string): void => {
    const line = row();
    const { chars, pens } = line;
    pad(line, x);
    x = Math.min(x, chars.length);
    const width = char < "\u0300" ? 1 : NO_CELL.test(char) ? 0 : TWO_CELLS.test(char) ? 2 : 1;
    const hidden = (pen.flags & CONCEALED) !== 0;
    if (width === 0 && x > 0) {
      if (!hidden) chars[chars[x - 1] === "" ? x - 2 : x - 1] += char;
      return;
    }
    for (let cell = 0; cell < Math.max(1, width); cell += 1, x += 1) {
      split(line, x, pen);
      split(line, x + 1, pen);
      chars[x] = hidden ? " " : cell === 0 ? char : "";
      pens[x] = pen;
    }
  };
  const print = (run: string): void => {
    for (const char of run) {
      last = sets[shifted] && char >= "`" && char <= "~" ? (GRAPHICS[char.charCodeAt(0) - 96] as string) : char;
      put(last);
    }
  };

  const blank = (): Pen => (pen.bg === -1 ? PLAIN : { ...PLAIN, bg: pen.bg });
  const erase = (line: Row, from: number, to: number): void => {
    const { chars, pens } = line;
    const as = blank();
    split(line, from, as);
    split(line, to, as);
    if (to === Infinity || (as === PLAIN && to >= chars.length)) {
      chars.length = pens.length = Math.min(chars.length, from);
    } else {
      spare -= Math.min(to, chars.length) - from;
      pad(line, to);
      chars.fill(" ", from, to);
      pens.fill(as, from, to);
      screen[y] = line;
    }
  };
  const edit = (mode: number, count: number, final: string): void => {
    const line = screen[y] ?? { chars: [], pens: [] };
    const { chars, pens } = line;
    const few = Math.min(count, EDGE);
    if ("JLM".includes(final)) spare -= screen.length;
    if ("P@".includes(final)) spare -= chars.length;
    if ("L@".includes(final)) spare -= few;
    if (spare < 0) return;
    if (final === "J") {
      if (mode === 2) screen.length = 0;
      if (mode === 1) screen.fill(undefined, 0, y);
      if (mode === 0) screen.length = Math.min(screen.length, y + 1);
      if (mode < 2) edit(mode, 0, "K");
    } else if (final === "K" && mode < 3) erase(line, mode === 0 ? x : 0, mode === 1 ? x + 1 : Infinity);
    else if (final === "X") erase(line, x, Math.min(x + count, Math.max(EDGE, chars.length)));
    else if (final === "L" || final === "M") {
      screen.splice(y, final === "M" ? count : 0, ...Array.from({ length: final === "L" ? few : 0 }, () => undefined));
      x = 0;
    } else if (final === "P") {
      split(line, x, blank());
      split(line, x + count, blank());
      chars.splice(x, count);
      pens.splice(x, count);
    } else if (final === "@" && x < chars.length) {
      split(line, x, blank());
      chars.splice(x, 0, ...Array.from({ length: few }, () => " "));
      pens.splice(x, 0, ...Array.from({ length: few }, blank));
    }
  };

  const lineFeed = (): void => {
    if (rows) row();
    y += 1;
    if (rows) row();
    x = 0;
  };
  const control = (params: string, final: string, before: string): void => {
    const [first = 0, second = 0] = params.split(";").map((value) => Number.parseInt(value, 10) || 0);
    const count = Math.max(1, first);
    const few = Math.min(count, EDGE);
    if (final === "m") pen = sgr(pen, params);
    else if (final === "A" || final === "F") y = Math.max(0, y - count);
    else if (final === "B" || final === "E" || final === "e") y = Math.max(y, Math.min(y + count, EDGE - 1));
    else if (final === "C" || final === "a") x = Math.max(x, Math.min(x + count, EDGE - 1));
    else if (final === "D") x = Math.max(0, x - count);
    else if (final === "G" || final === "`") x = Math.min(count, Math.max(EDGE, screen[y]?.chars.length ?? 0)) - 1;
    else if (final === "d" || final === "H" || final === "f") y = few - 1;
    else if (final === "I") x = Math.max(x, Math.min((Math.floor(x / 8) + few) * 8, EDGE - 1));
    else if (final === "Z") x = Math.max(0, Math.ceil(x / 8) - count) * 8;
    else if (final === "b") for (let left = rows && before !== "" ? few : 0; left > 0 && spare > 0; left -= 1, spare -= 1) put(before);
    else if (final === "s") saved = { x, y, pen };
    else if (final === "u") ({ x, y, pen } = saved);
    else edit(first, count, final);
    if (final === "E" || final === "F") x = 0;
    if (final === "H" || final === "f") x = Math.min(Math.max(1, second), EDGE) - 1;
  };
  const escape = (set: string, final: string): void => {
    if (set === "(" || set === ")") sets[set === "(" ? 0 : 1] = final === "0";
    if (set !== "") return;
    if (final === "7") saved = { x, y, pen };
    else if (final === "8") ({ x, y, pen } = saved);
    else if (final === "D") y += 1;
    else if (final === "E") lineFeed();
    else if (final === "M") y = Math.max(0, y - 1);
    else if (final === "c") {
      screen.length = x = y = shifted = 0;
      sets = [false, false];
      pen = PLAIN;
      saved = { x, y, pen };
    }
  };

  for (const [token, params = "", rest, final, set = "", code] of text.matchAll(TOKEN)) {
    if (token >= "\xa0" || (token >= " " && token < "\x7f")) {
      if (rows) print(token);
      continue;
    }
    const before = last;
    last = "";
    if (final !== undefined) {
      if (rest === "" && !/[<-?]/.test(params)) control(params, final, before);
      else if (rest === "!" && final === "p") pen = PLAIN;
    } else if (code !== undefined) escape(set, code);
    else if (token === "\n" || token === "\v" || token === "\f") lineFeed();
    else if (token === "\r") x = 0;
    else if (token === "\b") x = Math.max(0, x - 1);
    else if (token === "\t") x = (Math.floor(x / 8) + 1) * 8;
    else if (token === "\x0e" || token === "\x0f") shifted = token === "\x0e" ? 1 : 0;
    else if (token.length === 1 && token >= "\x80") escape("", String.fromCharCode(token.charCodeAt(0) - 0x40));
  }
  return pen;
}

/** The pen after a Select Graphic Rendition. Unknown codes change nothing. */
export function sgr(before: Pen, params: string): Pen {
  const pen = { ...before };
  const codes = params.split(";");
  for (let index = 0; index < codes.length; index += 1) {
    const parts = (codes[index] as string).split(":");
    const code = Number(parts[0]);
    if (code === 0) Object.assign(pen, PLAIN);
    else if (code === 4) pen.underline = parts[1] === undefined || Number(parts[1]) > 5 ? 1 : Number(parts[1]);
    else if (code === 21) pen.underline = 2;
    else if (code === 24) pen.underline = 0;
    else if (code === 22) pen.flags &= ~(BOLD | DIM);
    else if ([1, 2, 3, 7, 8, 9].includes(code)) pen.flags |= 2 ** code;
    else if ([23, 27, 28, 29].includes(code)) pen.flags &= ~(2 ** (code - 20));
    else if (code === 53) pen.flags |= OVERLINE;
    else if (code === 55) pen.flags &= ~OVERLINE;
    else if (code >= 30 && code <= 37) pen.fg = code - 30;
    else if (code >= 90 && code <= 97) pen.fg = code - 82;
    else if (code >= 40 && code <= 47) pen.bg = code - 40;
    else if (code >= 100 && code <= 107) pen.bg = code - 92;
    else if (code === 39) pen.fg = -1;
    else if (code === 49) pen.bg = -1;
    else if (code === 59) pen.line = -1;
    else if (code === 38 || code === 48 || code === 58) {
      const own = parts.length > 1; // 38:2:r:g:b, and with a colour space 38:2::r:g:b
      const values = (own ? parts.slice(1) : codes.slice(index + 1, index + 5)).map(Number);
      const [kind] = values;
      const color = kind === 5 ? values.slice(1, 2) : kind === 2 ? values.slice(values.length > 4 ? 2 : 1).slice(0, 3) : [];
      if (!own) index += kind === 2 ? 4 : 2;
      if (color.length !== (kind === 2 ? 3 : 1) || !color.every((value) => value >= 0 && value <= 255)) continue;
      const value = color.reduce((sum, part) => sum * 256 + part, 0) + (kind === 2 ? TRUE_COLOR : 0);
      pen[code === 38 ? "fg" : code === 48 ? "bg" : "line"] = value;
    }
  }
  return samePen(pen, PLAIN) ? PLAIN : pen;
}

export function samePen(one: Pen, other: Pen): boolean {
  return (
    one === other ||
    (one.flags === other.flags && one.underline === other.underline && one.fg === other.fg && one.bg === other.bg && one.line === other.line)
  );
}
