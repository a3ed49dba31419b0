import { Unicode11Addon } from "@xterm/addon-unicode11";
import { Terminal, type IBufferCell } from "@xterm/headless";
import { BOLD, CONCEALED, DIM, INVERSE, ITALIC, OVERLINE, PLAIN, play, STRUCK, TRUE_COLOR, type Pen, type Row } from "../../src/log/terminal.js";

/** A cell and its look, in a form that can be compared. */
export type Cell = string;

function cellOf(char: string, { flags, underline, fg, bg, line }: Pen): Cell {
  return [char, flags, underline, fg, bg, underline ? line : -1].join("|");
}
const BLANK = cellOf(" ", PLAIN);

function trimmed(rows: Cell[][]): Cell[][] {
  for (const row of rows) while (row.at(-1) === BLANK) row.pop();
  while (rows.at(-1)?.length === 0) rows.pop();
  return rows;
}

const terminal = new Terminal({ cols: 200, rows: 200, convertEol: true, allowProposedApi: true, scrollback: 0, logLevel: "off" });
terminal.loadAddon(new Unicode11Addon());
terminal.unicode.activeVersion = "11";
terminal.parser.registerOscHandler(8, () => true); // xterm.js underlines links; we show them as plain text

/** What xterm.js shows of a text, on a screen of 200 columns and rows. From row `depth` on it reads only rows with text, because reading is slow. */
export async function xtermRows(text: string, depth: number): Promise<Cell[][]> {
  terminal.reset(); // does not end an open sequence: CAN does
  await new Promise<void>((resolve) => terminal.write(`\u0018${text}`, resolve));
  const rows: Cell[][] = [];
  const reused = terminal.buffer.active.getNullCell();
  for (let y = 0; y < 200; y += 1) {
    const line = terminal.buffer.active.getLine(y);
    const row: Cell[] = [];
    const columns = y < depth || line?.translateToString(true) ? 200 : 0;
    let width = 1;
    for (let x = 0; x < columns; x += 1) {
      const cell = line?.getCell(x, reused) as IBufferCell;
      row.push(xtermCell(cell, width === 2));
      width = cell.getWidth();
    }
    rows.push(row);
  }
  return trimmed(rows);
}

/** The parts of a cell that are not in the public types. */
interface Extended {
  getUnderlineStyle: () => number;
  readonly extended: { readonly underlineColor: number };
}

function xtermCell(cell: IBufferCell, isSecond: boolean): Cell {
  const char = cell.isInvisible() ? " " : cell.getChars() || (isSecond ? "" : " ");
  const { extended, getUnderlineStyle } = cell as unknown as Extended;
  const bits: [number, number][] = [
    [cell.isBold(), BOLD],
    [cell.isDim(), DIM],
    [cell.isItalic(), ITALIC],
    [cell.isInverse(), INVERSE],
    [cell.isInvisible(), CONCEALED],
    [cell.isStrikethrough(), STRUCK],
    [cell.isOverline(), OVERLINE],
  ];
  const mode = extended.underlineColor >>> 24;
  const value = extended.underlineColor & 0xffffff;
  return cellOf(char, {
    flags: bits.reduce((flags, [on, bit]) => (on ? flags | bit : flags), 0),
    underline: getUnderlineStyle.call(cell),
    fg: cell.isFgDefault() ? -1 : cell.getFgColor() + (cell.isFgRGB() ? TRUE_COLOR : 0),
    bg: cell.isBgDefault() ? -1 : cell.getBgColor() + (cell.isBgRGB() ? TRUE_COLOR : 0),
    line: mode === 0 || extended.underlineColor === 0x3ffffff ? -1 : value + (mode === 3 ? TRUE_COLOR : 0),
  });
}

/** What this library shows of a text, in the same form. */
export function ourRows(text: string): Cell[][] {
  const rows: (Row | undefined)[] = [];
  play(text, PLAIN, rows);
  return trimmed(Array.from(rows, (row) => row?.chars.map((char, column) => cellOf(char, row.pens[column] as Pen)) ?? []));
}
