import * as React from "react";
import type { CSSProperties } from "react";
import { growth } from "./growth.js";
import { SHOWN, shownEnd, type AnsiView, type PanelEntry } from "./line.js";
import { ansiPart } from "./parts.js";
import { colourOf, coloursOf } from "./readable.js";
import { BOLD, CONCEALED, DIM, ITALIC, OVERLINE, PLAIN, play, samePen, STRUCK, type Pen, type Row } from "./terminal.js";

/** A piece of a line and how it looks: class names of log.css, and styles made of fixed words and numbers. */
export interface AnsiPiece {
  readonly text: string;
  readonly className: string;
  readonly style?: CSSProperties;
}

/* oxlint-disable no-control-regex -- these are what they look for */
/** What a browser does not show as a terminal does. */
const CONTROL = /[\0-\x08\v-\x1f\x7f-\x9f]/;
const SGR = /\x1b\[[\d:;]*m/g;
const CONCEALS = /[[;]0*8[;m]/;
/* oxlint-enable no-control-regex */

/** What a long line comes to: its text, how it looks up to where it is cut, and the pen before and after it. */
interface Played {
  readonly text: string;
  readonly pieces: readonly AnsiPiece[];
  readonly begins: Pen;
  readonly ends: Pen;
}

/**
 * Follows a log whose lines are terminal output. Each call takes the log as it is now, before any filter, and gives what
 * shows its lines; it looks at new lines only. Each log has one of its own.
 *
 * A colour that a line leaves on goes on in the next, whatever becomes of the lines before: what is dropped at the top
 * keeps its effect. Concealed text ends with its line, lest one line hide all that follow.
 */
export function makeTerminal(): (logs: readonly PanelEntry[]) => AnsiView {
  const pens = new WeakMap<PanelEntry, Pen>(); // what a line begins with, where that is not plain
  const penOf = (entry: PanelEntry | undefined): Pen => (entry && pens.get(entry)) ?? PLAIN;
  const long = new WeakMap<PanelEntry, Played>(); // to play a million characters takes a while
  const isLong = ({ text }: PanelEntry): boolean => text.length > SHOWN && CONTROL.test(text);
  const played = (entry: PanelEntry): Played => {
    const begins = penOf(entry);
    const before = long.get(entry);
    if (before && samePen(before.begins, begins)) return before;
    const { rows, ends } = screenOf(entry.text, begins);
    const text = textOf(rows);
    const now = { text, pieces: piecesOf(rows, shownEnd(text)), begins, ends };
    if (text.length <= entry.text.length) long.set(entry, now); // what codes have blown up is not kept
    return now;
  };
  const makeView = (): AnsiView => ({
    text: (entry) => (isLong(entry) ? played(entry).text : stripAnsi(entry.text)),
    show: (entry, end) => {
      const pen = penOf(entry);
      if (pen === PLAIN && !CONTROL.test(entry.text)) return entry.text.slice(0, end);
      const pieces = isLong(entry) && end <= SHOWN ? played(entry).pieces : parseAnsi(entry.text, pen, end);
      return pieces.map(({ text, className, style }, key) => React.createElement("span", { key, className: className || undefined, style }, text));
    },
  });
  let logs: readonly PanelEntry[] = [];
  let pen = PLAIN; // what the next line begins with
  let view = makeView();
  return (now) => {
    if (now === logs) return view;
    const grown = growth(logs, now);
    if (!grown) pen = penOf(now[0]);
    let redrawn = false; // lines that were here before, after others
    for (let index = grown?.kept ?? 0; index < now.length; index += 1) {
      const entry = now[index] as PanelEntry;
      if (!grown && !samePen(pen, penOf(entry))) redrawn = true;
      if (pen !== PLAIN) pens.set(entry, pen);
      else if (!grown) pens.delete(entry);
      const { text } = entry;
      if (text.includes("\x1b") || text.includes("\x9b")) pen = isLong(entry) ? played(entry).ends : play(text, pen);
      if (pen.flags & CONCEALED) pen = { ...pen, flags: pen.flags & ~CONCEALED };
    }
    if (redrawn) view = makeView();
    logs = now;
    return view;
  };
}

/**
 * What a terminal shows of a message, up to `end` characters, cut where its look changes. Links and titles are left out:
 * whoever is worked for writes into a log, and a link need not lead where it says. Nothing of a text reaches the page but
 * text, and numbers in styles.
 */
export function parseAnsi(text: string, pen: Pen = PLAIN, end = Infinity): AnsiPiece[] {
  return CONTROL.test(text) ? piecesOf(screenOf(text, pen).rows, end) : [{ text: text.slice(0, end), ...lookOf(pen) }];
}

function piecesOf(rows: readonly Row[], end: number): AnsiPiece[] {
  const pieces: AnsiPiece[] = [];
  let piece = "";
  let look = PLAIN;
  let left = end;
  const flush = (): void => {
    if (piece !== "") pieces.push({ text: piece, ...lookOf(look) });
    piece = "";
  };
  const put = (char: string): void => {
    piece += char.slice(0, left);
    left -= char.length;
  };
  for (const [index, { chars, pens }] of rows.entries()) {
    if (left <= 0) break;
    if (index > 0) put("\n");
    for (const [column, char] of chars.entries()) {
      if (left <= 0) break;
      const next = pens[column] as Pen;
      if (!samePen(next, look)) {
        flush();
        look = next;
      }
      put(char);
    }
  }
  flush();
  return pieces;
}

/** The text as a terminal shows it. */
export function stripAnsi(text: string): string {
  if (!CONTROL.test(text)) return text;
  const bare = text.replace(SGR, "");
  if (!CONTROL.test(bare) && !bare.includes("\t") && !CONCEALS.test(text)) return bare; // as most lines are, and it is cheap
  return textOf(screenOf(text, PLAIN).rows);
}

function textOf(rows: readonly Row[]): string {
  return rows.map(({ chars }) => chars.join("")).join("\n");
}

function screenOf(text: string, pen: Pen): { readonly rows: readonly Row[]; readonly ends: Pen } {
  const rows: (Row | undefined)[] = [];
  const ends = play(text, pen, rows);
  return { rows: rows.filter((row) => row !== undefined), ends };
}

const UNDERLINES = ["solid", "solid", "double", "wavy", "dotted", "dashed"];

function lookOf(pen: Pen): Omit<AnsiPiece, "text"> {
  const { flags, underline, line } = pen;
  const { text, ground } = coloursOf(pen);
  const names: string[] = [];
  const style: Record<string, string> = {};
  if (text) {
    names.push("streamator-ansi");
    [style["--streamator-ansi-color"], style["--streamator-ansi-color-dark"]] = text;
    if (ground) [style["--streamator-ansi-bg"], style["--streamator-ansi-bg-dark"]] = ground;
  } else if (flags & DIM) names.push("streamator-ansi-dim");
  if (flags & BOLD) names.push("streamator-ansi-bold");
  if (flags & ITALIC) names.push("streamator-ansi-italic");
  const lines = [underline && "underline", flags & OVERLINE && "overline", flags & STRUCK && "line-through"].filter(Boolean);
  if (lines.length > 0) style.textDecoration = [...lines, UNDERLINES[underline], line !== -1 && colourOf(line)].filter(Boolean).join(" ");
  return { className: names.join(" "), style: Object.keys(style).length > 0 ? style : undefined };
}

ansiPart.provide(makeTerminal);
