import * as React from "react";
import type { CSSProperties } from "react";
import { growth } from "./growth.js";
import { isRule, SHOWN, shownEnd, type AnsiView, type PanelEntry } from "./line.js";
import { colourOf, coloursOf } from "./readable.js";
import { BOLD, CONCEALED, DIM, ITALIC, NO_CELL, OVERLINE, PLAIN, play, samePen, sgr, STRUCK, type Pen, type Row } from "./terminal.js";

/** A piece of a line with its look: class names of log.css, and styles of fixed words and numbers. */
export interface AnsiPiece {
  readonly text: string;
  readonly className: string;
  readonly style?: CSSProperties;
}

/* oxlint-disable no-control-regex -- these are what they look for */
/** Control characters, which a browser does not show like a terminal. */
const CONTROL = /[\0-\x08\v-\x1f\x7f-\x9f]/;
const CONCEALS = /[[;]0*8[;m]/;
/* oxlint-enable no-control-regex */

/** The most pieces of a line that are shown at first: each is an element, and a thousand take longer to lay out than their text. */
const PIECES = 200;

/** What a terminal shows of a message: its text, the pieces of its shown part, and the pen at its end. */
interface Screen {
  readonly text: string;
  readonly pieces: readonly AnsiPiece[];
  readonly ends: Pen;
}

/**
 * Shows a log whose lines are terminal output. Call it with the log as it is now, before any filter; it reads new lines
 * only. Give each log one of its own.
 *
 * A colour that a line leaves on continues in the next line, even after the first one is dropped, until the next attempt: that
 * is another process. Concealed text ends with its line, or one line could hide all that follow.
 */
export function makeTerminal(): (logs: readonly PanelEntry[]) => AnsiView {
  const pens = new WeakMap<PanelEntry, Pen>(); // the pen that a line begins with, unless it is plain
  const penOf = (entry: PanelEntry | undefined): Pen => (entry && pens.get(entry)) ?? PLAIN;
  const long = new WeakMap<PanelEntry, Screen & { readonly begins: Pen }>(); // long lines are played once: a million characters take a while
  const isLong = ({ text }: PanelEntry): boolean => text.length > SHOWN && CONTROL.test(text);
  const played = (entry: PanelEntry): Screen => {
    const begins = penOf(entry);
    const before = long.get(entry);
    if (before && samePen(before.begins, begins)) return before;
    const screen = screenOf(entry.text, begins, shownEnd);
    const now = { ...screen, pieces: screen.pieces.slice(0, PIECES), begins };
    if (now.text.length <= entry.text.length) long.set(entry, now); // not if codes made it much longer
    return now;
  };
  const makeView = (): AnsiView => ({
    text: (entry) => (isLong(entry) ? played(entry).text : stripAnsi(entry.text)),
    end: (entry, text) => (isLong(entry) ? played(entry).pieces.reduce((sum, piece) => sum + piece.text.length, 0) : shownEnd(text)),
    show: (entry, end) => {
      const pen = penOf(entry);
      if (pen === PLAIN && !CONTROL.test(entry.text)) return entry.text.slice(0, end);
      const pieces = isLong(entry) && end <= SHOWN ? played(entry).pieces : parseAnsi(entry.text, pen, end);
      return pieces.map(({ text, className, style }, key) => React.createElement("span", { key, className: className || undefined, style }, text));
    },
  });
  let logs: readonly PanelEntry[] = [];
  let pen = PLAIN; // the pen that the next line begins with
  let view = makeView();
  return (now) => {
    if (now === logs) return view;
    const grown = growth(logs, now);
    if (!grown) pen = penOf(now[0]);
    let redrawn = false; // a line begins with another pen than before
    for (let index = grown?.kept ?? 0; index < now.length; index += 1) {
      const entry = now[index] as PanelEntry;
      if (isRule(entry)) pen = PLAIN;
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
 * What a terminal shows of a message, up to `end` characters, cut where the look changes. Links are left out: others write
 * into a log, and a link need not lead where it says. Only texts, and numbers in styles, reach the page.
 */
export function parseAnsi(text: string, pen: Pen = PLAIN, end = Infinity): readonly AnsiPiece[] {
  return CONTROL.test(text) ? screenOf(text, pen, () => end).pieces : [{ text: text.slice(0, end), ...lookOf(pen) }];
}

function piecesOf(runs: Iterable<Run>, end: number): AnsiPiece[] {
  const pieces: AnsiPiece[] = [];
  let piece = "";
  let look = PLAIN;
  let left = end;
  const flush = (): void => {
    if (piece !== "") pieces.push({ text: piece, ...lookOf(look) });
    piece = "";
  };
  for (const [text, pen] of runs) {
    if (left <= 0) break;
    if (text !== "" && !samePen(pen, look)) {
      flush();
      look = pen;
    }
    piece += text.slice(0, left);
    left -= text.length;
  }
  flush();
  return pieces;
}

/** The text as a terminal shows it. */
export function stripAnsi(text: string): string {
  return CONTROL.test(text) ? (cutOf(text)?.bare ?? screenOf(text, PLAIN, () => 0).text) : text;
}

/** A message with no codes but colours, as most are: its text, its codes and the text after each. The first code is empty. */
interface Cut {
  readonly bare: string;
  readonly codes: readonly string[];
  readonly texts: readonly string[];
}

/** Cuts a message at its colour codes; null if it has other codes. Those are played on a screen, which takes 30 us for a line of 100 characters, not 1. */
function cutOf(text: string): Cut | null {
  const texts = text.split("\x1b[");
  const codes = [""];
  for (let index = 1; index < texts.length; index += 1) {
    const part = texts[index] as string;
    let end = 0;
    while (part.charCodeAt(end) >= 0x30 && part.charCodeAt(end) < 0x3c) end += 1; // digits, ":" and ";"
    if (part[end] !== "m") return null;
    codes.push(part.slice(0, end));
    texts[index] = part.slice(end + 1);
  }
  const bare = texts.join("");
  return CONTROL.test(bare) || bare.includes("\t") || CONCEALS.test(text) ? null : { bare, codes, texts };
}

/** A text and its pen. */
type Run = readonly [text: string, pen: Pen];

function screenOf(text: string, pen: Pen, endOf: (text: string) => number): Screen {
  const cut = pen.flags & CONCEALED ? null : cutOf(text);
  if (cut && !NO_CELL.test(cut.bare)) {
    const end = endOf(cut.bare);
    const { runs, ends } = runsOf(cut, pen, end);
    return { text: cut.bare, pieces: piecesOf(runs, end), ends };
  }
  const played: (Row | undefined)[] = [];
  const ends = play(text, pen, played);
  const rows = played.filter((row) => row !== undefined);
  const all = rows.map(({ chars }) => chars.join("")).join("\n");
  return { text: all, pieces: piecesOf(cellsOf(rows), endOf(all)), ends };
}

/** The runs of a message's first `end` characters or a few more, and the pen at its end. */
function runsOf({ codes, texts }: Cut, pen: Pen, end: number): { readonly runs: readonly Run[]; readonly ends: Pen } {
  const runs: Run[] = [[texts[0] as string, pen]];
  let ends = pen;
  let left = end - (texts[0] as string).length;
  let index = 1;
  for (; index < codes.length && left > 0; index += 1) {
    ends = sgr(ends, codes[index] as string);
    runs.push([texts[index] as string, ends]);
    left -= (texts[index] as string).length;
  }
  // The rest matters for the pen alone, from its last reset on.
  for (index = Math.max(index, codes.lastIndexOf("0"), codes.lastIndexOf("")); index < codes.length; index += 1) ends = sgr(ends, codes[index] as string);
  return { runs, ends };
}

function* cellsOf(rows: readonly Row[]): Generator<Run> {
  let pen = PLAIN;
  for (const [index, { chars, pens }] of rows.entries()) {
    if (index > 0) yield ["\n", pen];
    for (const [column, char] of chars.entries()) {
      pen = pens[column] as Pen;
      yield [char, pen];
    }
  }
}

const UNDERLINES = ["solid", "solid", "double", "wavy", "dotted", "dashed"];

type Look = Omit<AnsiPiece, "text">;

/** Looks by pen. To make one takes 6 us, to find it 0.5, and most lines have the same few. */
const looks = new Map<string, Look>();

function lookOf(pen: Pen): Look {
  const key = JSON.stringify(pen);
  let look = looks.get(key);
  if (!look) {
    if (looks.size === 500) looks.clear();
    look = makeLook(pen);
    looks.set(key, look);
  }
  return look;
}

function makeLook(pen: Pen): Look {
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
