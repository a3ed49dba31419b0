/** A piece of a line and how it looks: class names of log.css, and a colour where it is none of the sixteen. */
export interface AnsiPiece {
  readonly text: string;
  readonly className: string;
  readonly color?: string;
  readonly background?: string;
}

// A control sequence (CSI), an operating system command (OSC: titles, links), or any other escape. Only `m` means something here.
// oxlint-disable-next-line no-control-regex -- these are what it looks for
const ESCAPE = /\u001b(?:\[([0-9:;<=>?]*)[ -/]*([@-~])?|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[ -/]*[0-~])?/g;

const STYLES: Record<number, string> = { 1: "bold", 2: "dim", 3: "italic", 4: "underline", 9: "strike" };

/** The text without its escape sequences. */
export function stripAnsi(text: string): string {
  return text.includes("\u001b") ? text.replace(ESCAPE, "") : text;
}

/**
 * Cuts a line at its colour codes (ECMA-48 SGR). All other sequences are left out. What comes back is text and class
 * names of a fixed set, and colours made of numbers: nothing of the line reaches the page as markup or style.
 */
export function parseAnsi(text: string): AnsiPiece[] {
  const pieces: AnsiPiece[] = [];
  let styles = new Set<string>();
  let color: string | undefined; // a class of the sixteen, or "rgb(...)"
  let background: string | undefined;

  const push = (piece: string): void => {
    if (piece === "") return;
    const named = [color, background].filter((value) => value?.startsWith("streamator-"));
    const rgb = (value: string | undefined): string | undefined => (value?.startsWith("rgb") ? value : undefined);
    const className = [...[...styles].map((style) => `streamator-ansi-${style}`), ...named].join(" ");
    pieces.push({ text: piece, className, color: rgb(color), background: rgb(background) });
  };

  let position = 0;
  for (const match of text.matchAll(ESCAPE)) {
    push(text.slice(position, match.index));
    position = match.index + match[0].length;
    if (match[2] !== "m") continue;
    const codes = (match[1] ?? "").split(/[;:]/).map(Number);
    for (let index = 0; index < codes.length; index += 1) {
      const code = codes[index] as number;
      const style = STYLES[code];
      if (code === 0) {
        styles = new Set();
        color = background = undefined;
      } else if (style) styles.add(style);
      else if (code === 22) styles = new Set([...styles].filter((name) => name !== "bold" && name !== "dim"));
      else if (code === 23 || code === 24 || code === 29) styles.delete(STYLES[code - 20] as string);
      else if (code === 39) color = undefined;
      else if (code === 49) background = undefined;
      else if (code === 38 || code === 48) {
        const wide = codes[index + 1] === 2;
        const value = wide ? rgbOf(codes.slice(index + 2, index + 5)) : indexed(codes[index + 2], code === 38 ? "fg" : "bg");
        index += wide ? 4 : 2;
        if (code === 38) color = value;
        else background = value;
      } else if ((code >= 30 && code <= 37) || (code >= 90 && code <= 97)) color = indexed(code < 90 ? code - 30 : code - 82, "fg");
      else if ((code >= 40 && code <= 47) || (code >= 100 && code <= 107)) background = indexed(code < 100 ? code - 40 : code - 92, "bg");
    }
  }
  push(text.slice(position));
  return pieces;
}

/** One of 256 colours: the sixteen by class, a cube of six, a row of greys. */
function indexed(code: number | undefined, ground: "fg" | "bg"): string | undefined {
  if (code === undefined || !(code >= 0 && code <= 255)) return undefined;
  if (code < 16) return `streamator-${ground}-${code}`;
  if (code >= 232) return rgbOf(Array.from({ length: 3 }, () => 8 + (code - 232) * 10));
  return rgbOf([36, 6, 1].map((weight) => [0, 95, 135, 175, 215, 255][Math.floor((code - 16) / weight) % 6] as number));
}

function rgbOf(values: number[]): string | undefined {
  return values.length === 3 && values.every((value) => value >= 0 && value <= 255) ? `rgb(${values.join(" ")})` : undefined;
}
