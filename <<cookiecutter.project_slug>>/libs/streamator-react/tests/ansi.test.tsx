import { act, cleanup, fireEvent, render, screen } from "@testing-library/react";
import * as fc from "fast-check";
import { isValidElement, type ReactNode } from "react";
import { afterEach, describe, expect, it, vi } from "vitest";
import { makeTerminal, parseAnsi, stripAnsi } from "../src/log/ansi.js";
import { LogPanel, type LogEntry, type LogLevel, type LogPanelProps } from "../src/index.js";

const ESC = "\u001b";
const LIGHT = "--streamator-ansi-color";

/** The look of a line's only piece. */
function lookOf(code: string): { text: string; className: string; style: Record<string, string> } {
  const pieces = parseAnsi(`${ESC}${code}x`);
  expect(pieces).toHaveLength(1);
  const { text, className, style } = pieces[0] as (typeof pieces)[number];
  return { text, className, style: { ...style } as Record<string, string> };
}

describe("a rendition", () => {
  it("cuts a line into pieces, each with classes of a fixed set and its colours", () => {
    const [plain, bad, less, end] = parseAnsi(`plain ${ESC}[1;31mbad${ESC}[22m less${ESC}[0m end`);
    expect(plain).toEqual({ text: "plain ", className: "" });
    expect(bad).toMatchObject({ text: "bad", className: "streamator-ansi streamator-ansi-bold" });
    expect(less).toMatchObject({ text: " less", className: "streamator-ansi", style: bad?.style });
    expect(end).toEqual({ text: " end", className: "" });
  });

  it.each([
    ["[1m", "streamator-ansi-bold"],
    ["[2m", "streamator-ansi-dim"],
    ["[3m", "streamator-ansi-italic"],
    ["[31m", "streamator-ansi"],
    ["[2;31m", "streamator-ansi"], // its colour is the dim one
    ["[31;39m", ""],
    ["[3;23m", ""],
    ["[1;2;22m", ""],
    ["[7;27m", ""],
    ["[44;49m", ""],
    ["[m", ""],
    ["[31;m", ""],
    ["[5m", ""], // nothing blinks
  ])("%s is %j", (code, className) => {
    expect(lookOf(code).className).toBe(className);
  });

  it.each([
    ["[4m", "underline solid"],
    ["[4:0m", undefined],
    ["[4:1m", "underline solid"],
    ["[21m", "underline double"],
    ["[4:3m", "underline wavy"],
    ["[4:4m", "underline dotted"],
    ["[4:5m", "underline dashed"],
    ["[4;24m", undefined],
    ["[9m", "line-through solid"],
    ["[9;29m", undefined],
    ["[53m", "overline solid"],
    ["[53;55m", undefined],
    ["[4;9m", "underline line-through solid"],
    ["[4:3;58;5;196m", "underline wavy rgb(255 0 0)"],
    ["[4;58:2::1:2:3m", "underline solid rgb(1 2 3)"],
    ["[4;58:2:1:2:3;59m", "underline solid"],
  ])("%s has the lines %j", (code, textDecoration) => {
    expect(lookOf(code).style.textDecoration).toBe(textDecoration);
  });

  it.each(["[38;2;20;40;60m", "[38:2::20:40:60m", "[38:2:20:40:60m", "[38:2:1:20:40:60m", "[1;38;2;20;40;60;3m"])("%s has that colour", (code) => {
    expect(lookOf(code).style[LIGHT]).toBe("rgb(20 40 60)");
  });

  it.each([
    ["[38;5;52m", "rgb(95 0 0)"],
    ["[38:5:52m", "rgb(95 0 0)"],
    ["[38;5;232m", "rgb(8 8 8)"],
    ["[38;5;9m", lookOf("[91m").style[LIGHT]],
    ["[48;5;232;97m", "rgb(255 255 255)"],
  ])("%s is %s", (code, color) => {
    expect(lookOf(code).style[LIGHT]).toBe(color);
  });

  it.each(["[38;2;999;2;3m", "[38;2m", "[38;5m", "[38;5;256m", "[38m", "[38:2:1m", "[38;5;-1m", "[38;2;1e1;1;1m", "[?31m", "[>4;2m", "[31 m", "[38;5;0x1m"])(
    "%s, which is none, changes nothing",
    (code) => {
      expect(parseAnsi(`${ESC}${code}x`).every(({ className, style }) => className === "" && !style)).toBe(true);
    },
  );
});

describe("what a program wrote", () => {
  it.each([
    ["tqdm, pip and docker, which write a line over and over", "\r  0%|    | 0/2\r 50%|██  | 1/2\r100%|████| 2/2", "100%|████| 2/2"],
    ["a spinner", `${ESC}[1G⠋${ESC}[1G⠙ loading${ESC}[1G${ESC}[0K${ESC}[?25hdone`, "done"],
    ["a shorter text over a longer one", `Downloading\r${ESC}[KDone`, "Done"],
    ["two bars, of which the upper goes on", `a: 1\r\nb: 1\r\n${ESC}[2A${ESC}[2K\ra: 2\r${ESC}[2B`, "a: 2\nb: 1\n"],
    ["backspaces", "12%\b\b\b99%", "99%"],
    ["a wide character half overwritten", `宽度\rx`, "x 度"],
    ["a combining mark", `e\u0301${ESC}[Dx`, "x"],
    ["CRLF", "one\r\ntwo\r\n", "one\ntwo\n"],
    ["a line far below, as a bar at the bottom of a screen", `${ESC}7${ESC}[24;0fProgress${ESC}8Unpacking`, "Unpacking\nProgress"],
    ["line drawing", `${ESC}(0lqk${ESC}(B x`, "┌─┐ x"],
    ["an erased ground within a line", `ab${ESC}[44m${ESC}[1K${ESC}[0mc`, "  c"],
  ])("%s: the last state", (_, text, shown) => {
    expect(stripAnsi(text)).toBe(shown);
    expect(parseAnsi(text).map((piece) => piece.text).join("")).toBe(shown);
  });

  it.each([
    ["a title", `a${ESC}]0;title\u0007bc`],
    ["a title that ends as it should", `a${ESC}]2;title${ESC}\\bc`],
    ["a link", `a${ESC}]8;;javascript:alert(1)${ESC}\\b${ESC}]8;;${ESC}\\c`],
    ["a link that never ends", `a${ESC}]8;id=1;https://example.org\u0007bc`],
    ["8-bit controls", "a\u009b31mb\u009d0;title\u009c\u0090q\u009cc"],
    ["a device control string", `a${ESC}P1;2|17/ab${ESC}\\bc`],
    ["an application's, a private and a start-of string", `a${ESC}_x${ESC}\\b${ESC}^y${ESC}\\c${ESC}Xz${ESC}\\`],
    ["a character set", `${ESC}(Ba${ESC})0b${ESC}%Gc`],
    ["a sequence that was cut off", `abc${ESC}[3`],
    ["a lone escape", `abc${ESC}`],
    ["private sequences", `${ESC}[?25labc${ESC}[>c${ESC}[?2004h`],
    ["bells and nulls", "\u0007a\0b\u007fc"],
  ])("%s leaves only the text", (_, text) => {
    expect(parseAnsi(text).map((piece) => piece.text).join("")).toBe("abc");
    expect(stripAnsi(text)).toBe("abc");
  });

  it.each([
    ["]0;", "a title"],
    ["]8;;https://example.org ", "a link"],
    ["P", "a device control string"],
    ["_", "an application's string"],
  ])("ESC %s without an end hides no message: %s", (start) => {
    for (const intro of [`${ESC}${start}`, start.replace(/^./, (char) => String.fromCharCode(char.charCodeAt(0) + 0x40))]) {
      expect(stripAnsi(`${intro}disk full`)).toContain("disk full");
      expect(stripAnsi(`${intro}disk full\nat line 2${ESC}\\`)).toMatch(/disk full\nat line 2$/);
    }
  });

  it("concealed text is in no text", () => {
    expect(stripAnsi(`user ${ESC}[8mhunter2${ESC}[28m ok`)).toBe("user         ok");
    expect(stripAnsi(`user ${ESC}[0;08mhunter2${ESC}[m ok`)).toBe("user         ok");
  });
});

describe("a hostile line", () => {
  // With a time that grows with the square of the length, each of these would run into the timeout.
  it.each([
    ["parameters", `${ESC}[${";".repeat(250_000)}`],
    ["colours", `${ESC}[38;5;1mx`.repeat(25_000)],
    ["strings without an end", `${ESC}]`.repeat(125_000)],
    ["8-bit strings without an end", "\u009d".repeat(250_000)],
    ["strings without an end, and text", `${ESC}]0;x\n`.repeat(40_000)],
    ["erasing to the left in a long line", "x".repeat(125_000) + `${ESC}[1K`.repeat(30_000)],
    ["deleting in a long line", `${"x".repeat(125_000)}\r${`${ESC}[P`.repeat(40_000)}`],
    ["inserting", `x\r${`${ESC}[200@`.repeat(40_000)}`],
    ["inserting lines", `${ESC}[200L`.repeat(40_000)],
    ["repeating", `x${ESC}[999999999b`.repeat(20_000)],
    ["going far to the right", `\n${ESC}[999999999Cx`.repeat(18_000)],
    ["going far to the right by tabs", `${"\t".repeat(250_000)}x`],
    ["going far down", `${ESC}[999999999Bx`.repeat(18_000)],
    ["marks on one character", `e${"\u0301".repeat(250_000)}\r`],
    ["lines", "\r\n".repeat(125_000)],
    ["clearing many lines", `${"x\r\n".repeat(25_000)}${`${ESC}[1J`.repeat(25_000)}`],
  ])("of %s ends, with a few cells for each character", (_, text) => {
    const shown = stripAnsi(text);
    expect(shown.length).toBeLessThan(6 * text.length + 20_000);
  });
});

/** What is rendered of a line: the text, and the class or the colour of each piece in brackets. */
function drawn(node: ReactNode): string {
  if (!Array.isArray(node)) return String(node);
  return node.map((part: ReactNode) => (isValidElement<{ children: string; style?: Record<string, string> }>(part) ? `${part.props.style?.[LIGHT] ? `[${part.props.style[LIGHT]}]` : ""}${part.props.children}` : String(part))).join("");
}

const RED = lookOf("[31m").style[LIGHT] as string;
const line = (text: string, number?: number): { text: string; line?: number } => ({ text, line: number });

describe("a colour that a line leaves on", () => {
  it("continues in the next lines until one ends it", () => {
    const logs = [line(`a ${ESC}[31mred`), line("still"), line(`${ESC}[0mplain`), line("plain")];
    const { show, text } = makeTerminal()(logs);
    expect(logs.map((entry) => drawn(show(entry, Infinity)))).toEqual([`a [${RED}]red`, `[${RED}]still`, "plain", "plain"]);
    expect(logs.map((entry) => text(entry))).toEqual(["a red", "still", "plain", "plain"]);
  });

  it("stays when the lines before are dropped, one by one or all at once", () => {
    const logs = [line(`${ESC}[31mred`, 1), line("second", 2), line("third", 3)];
    const terminal = makeTerminal();
    terminal(logs);
    for (const rest of [logs.slice(1), logs.slice(2), [...logs.slice(2), line("fourth", 4)]]) {
      const { show } = terminal(rest);
      expect(rest.map((entry) => drawn(show(entry, Infinity)))).toEqual(rest.map(({ text }) => `[${RED}]${text}`));
    }
  });

  it("reads new lines only, and keeps the view while the log grows", () => {
    const read = vi.fn<() => string>(() => `${ESC}[31mred`);
    const first = Object.defineProperty({ text: "", line: 1 }, "text", { get: read }) as { text: string; line: number };
    const terminal = makeTerminal();
    const view = terminal([first]);
    const reads = read.mock.calls.length;
    const next = line("next", 2);
    expect(terminal([first, next])).toBe(view);
    expect(terminal([next, line("third", 3)])).toBe(view);
    expect(read.mock.calls.length).toBe(reads);
    expect(drawn(view.show(next, Infinity))).toBe(`[${RED}]next`);
  });

  it("depends on the lines before, also if the same line comes in another log", () => {
    const shared = line("shared");
    const terminal = makeTerminal();
    const red = terminal([line(`${ESC}[31mred`), shared]);
    expect(drawn(red.show(shared, Infinity))).toBe(`[${RED}]shared`);
    const plain = terminal([line("plain"), shared]);
    expect(plain).not.toBe(red); // another view: rows render again
    expect(drawn(plain.show(shared, Infinity))).toBe("shared");
  });

  it("but concealed text ends with its line", () => {
    const logs = [line(`${ESC}[31;8msecret`), line("seen")];
    expect(drawn(makeTerminal()(logs).show(logs[1] as (typeof logs)[number], Infinity))).toBe(`[${RED}]seen`);
  });
});

function logEntry(number: number, text: string, level: LogLevel = "info"): LogEntry {
  return { text, t: `${number}.0s`, seconds: number, level, id: number, line: number, event: "log" };
}

describe("a text of colours alone", () => {
  // A NUL does nothing, but with it the text is played on a screen.
  const SAME = { seed: 1, numRuns: 300 };
  const codes = fc.constantFrom("0", "", "1", "22", "31", "38;5;200", "38;2;1;2;3", "44", "7", "27", "4:3", "24", "39;49", "999");
  const coloured = fc.array(fc.oneof(fc.constantFrom("a", "bc ", "é", "日本", "🚀", "e\u0301"), codes.map((code) => `${ESC}[${code}m`))).map((parts) => parts.join(""));

  it("looks the same as on a screen", () => {
    fc.assert(
      fc.property(coloured, fc.constantFrom(Infinity, 5), (some, end) => {
        const text = `${ESC}[1m${some}`;
        expect(parseAnsi(text, undefined, end)).toEqual(parseAnsi(`${text}\0`, undefined, end));
      }),
      SAME,
    );
  });

  it("leaves the same pen as a screen, at any length", () => {
    const lookOfNext = (text: string): unknown => {
      const next = { text: "next", line: 2 };
      return makeTerminal()([{ text, line: 1 }, next]).show(next, 10);
    };
    const resets = fc.constantFrom("", `${ESC}[m`, `${ESC}[0m`);
    fc.assert(
      fc.property(coloured, resets, coloured, (some, reset, more) => {
        const text = `${"x".repeat(9_995)}${some}${reset}${more}`;
        expect(lookOfNext(text)).toEqual(lookOfNext(`${text}\0`));
      }),
      { ...SAME, numRuns: 50 },
    );
  });
});

describe("a panel with ansi", () => {
  afterEach(cleanup);

  const logs = [
    logEntry(1, `${ESC}[31mred <b>`, "warning"),
    logEntry(2, "\r 1%\r99%"),
    logEntry(3, `${ESC}[0mplain ${ESC}]8;;javascript:alert(1)${ESC}\\link${ESC}]8;;${ESC}\\`),
  ];
  const panel = (props: Partial<LogPanelProps> = {}) => <LogPanel logs={logs} active toolbar ansi time="off" {...props} />;
  const texts = (): HTMLElement[] => [...document.querySelectorAll<HTMLElement>(".streamator-log-text")];

  it("shows what a terminal shows, without links or markup", () => {
    render(panel());
    expect(texts().map(({ textContent }) => textContent)).toEqual(["red <b>", "99%", "plain link"]);
    expect(texts().map((text) => text.querySelector<HTMLElement>("span")?.style.getPropertyValue(LIGHT))).toEqual([RED, RED, ""]);
    expect(document.querySelectorAll("a[href], .streamator-log-text b")).toHaveLength(0);
  });

  it("filters lines without changing the look of the others", () => {
    render(panel());
    fireEvent.click(screen.getByRole("button", { name: /warning/ }));
    expect(texts().map(({ textContent }) => textContent)).toEqual(["99%", "plain link"]);
    expect(texts()[0]?.querySelector("span")?.style.getPropertyValue(LIGHT)).toBe(RED);
  });

  it("finds and copies what is shown", async () => {
    const writeText = vi.fn<(text: string) => Promise<void>>(() => Promise.resolve());
    vi.stubGlobal("navigator", { clipboard: { writeText } });
    render(panel());
    const find = (query: string): string | null => {
      fireEvent.change(screen.getByRole("searchbox"), { target: { value: query } });
      return document.querySelector("output")?.textContent ?? null;
    };
    expect(find("plain link")).toBe("1");
    expect(find("1%")).toBe("none");
    expect(find("javascript")).toBe("none");
    await act(async () => fireEvent.click(screen.getByRole("button", { name: "Copy" })));
    expect(writeText).toHaveBeenCalledWith("[warning] red <b>\n99%\nplain link\n");
  });

  describe("and a line of more than 10,000 characters", () => {
    const bar = Array.from({ length: 2_000 }, (_, index) => `\r${ESC}[2K${ESC}[32m${index + 1}${ESC}[0m of 2000`).join("");
    const letters = `${ESC}[31ma${ESC}[32mb`.repeat(6_000);
    const plain = "ab".repeat(6_000);
    const shown = (): string => [...document.querySelectorAll(".streamator-log-text > :not([hidden])")].map(({ textContent }) => textContent).join("");
    const all = (): string | null | undefined => texts()[0]?.textContent;

    it("shows and copies only the last state of a progress bar", () => {
      render(panel({ logs: [logEntry(1, bar)] }));
      expect(shown()).toBe("2000 of 2000");
      expect(document.querySelector(".streamator-log-whole, [hidden]")).toBeNull();
    });

    it("is cut after 10,000 shown characters, with their colours, and counts the shown ones", () => {
      render(panel({ logs: [logEntry(1, `${ESC}[31m${plain}`)] }));
      expect(shown()).toBe(plain.slice(0, 10_000));
      expect(all()).toBe(plain);
      expect(texts()[0]?.querySelectorAll(".streamator-ansi")).toHaveLength(1);
      fireEvent.click(screen.getByRole("button", { name: "Show all 12,000 characters" }));
      expect(all()).toBe(plain);
      expect(shown()).toBe(plain);
    });

    it("is cut sooner if it has many pieces", () => {
      render(panel({ logs: [logEntry(1, letters)] }));
      expect(shown()).toBe(plain.slice(0, 200));
      expect(all()).toBe(plain);
      expect(texts()[0]?.querySelectorAll(".streamator-ansi")).toHaveLength(200);
      fireEvent.click(screen.getByRole("button", { name: "Show all 12,000 characters" }));
      expect(all()).toBe(plain);
      expect(texts()[0]?.querySelectorAll(".streamator-ansi")).toHaveLength(12_000);
    });

    it("is the same in a block out of view", () => {
      vi.spyOn(Element.prototype, "getBoundingClientRect").mockReturnValue(new DOMRect(0, 0, 300, 100));
      render(panel({ logs: [logEntry(1, bar), logEntry(2, letters), ...Array.from({ length: 1_100 }, (_, index) => logEntry(index + 3, "x"))] }));
      const [first] = document.querySelectorAll(".streamator-log-block--text");
      expect(first?.textContent).toMatch(new RegExp(`^2000 of 2000\n${plain}\nx\n`));
      expect(first?.querySelector("[hidden]")?.textContent).toBe(plain.slice(200));
    });

    it.each([
      ["of colours alone", letters, "split"],
      ["with a cursor that moves", `${letters}\bX`, "matchAll"],
    ] as const)("%s is played once, whoever asks for it", (_, text, by) => {
      const played = vi.spyOn(String.prototype, by);
      const first = logEntry(1, text);
      const view = makeTerminal()([first, logEntry(2, "next")]);
      view.show(first, 10_000);
      view.text(first);
      view.show(first, 10_000);
      expect(played.mock.contexts.filter((one) => String(one) === text)).toHaveLength(1);
    });
  });

  it("without ansi, texts are shown, found and copied as they are", () => {
    render(panel({ ansi: false }));
    expect(texts().map(({ textContent }) => textContent)).toEqual(logs.map(({ text }) => text));
  });
});
