import { readFileSync } from "node:fs";
import { join } from "node:path";
import { act, cleanup, fireEvent, render, screen, within } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { LogPanel, type LogEntry, type LogLevel, type LogPanelProps } from "../src/index.js";

beforeEach(() => {
  window.location.hash = "";
});

afterEach(cleanup);

function entry(line: number, text = `line ${line}`, level: LogLevel = "info"): LogEntry {
  return { text, t: `${(line / 10).toFixed(1)}s`, seconds: line / 10, level, id: line, line, event: "log" };
}

const logs = [entry(1, "Fetching a.txt"), entry(2, "Rate limited", "warning"), entry(3, "Fetching b.txt"), entry(4, "No such file: b.txt", "error"), entry(5, "Stored", "success")];
const show = (props: Partial<LogPanelProps> = {}) => render(<LogPanel logs={logs} active toolbar {...props} />);
const rows = (): HTMLElement[] => [...document.querySelectorAll<HTMLElement>(".streamator-log-entry")];
const texts = (): (string | null | undefined)[] => rows().map((row) => row.querySelector(".streamator-log-text")?.textContent);
const button = (name: string | RegExp): HTMLElement => screen.getByRole("button", { name });
const log = (): HTMLElement => screen.getByRole("log");
const found = (): string | null => document.querySelector("output")?.textContent ?? null;
const find = (text: string): void => void fireEvent.change(screen.getByRole("searchbox"), { target: { value: text } });

describe("without its tools", () => {
  it("the panel is only the log and a hidden status", () => {
    const { container } = render(<LogPanel logs={logs} active />);
    expect([...container.children].map((element) => element.getAttribute("role"))).toEqual(["log", "status"]);
    expect(container.querySelectorAll("button, input, a")).toHaveLength(0);
  });

  it("keys do what the browser does", () => {
    render(<LogPanel logs={logs} active />);
    expect(fireEvent.keyDown(log(), { key: "/" })).toBe(true);
  });
});

describe("with its tools", () => {
  it("the frame takes className, style and height, the log keeps its role and name", () => {
    const { container } = show({ className: "mine", style: { color: "red" }, maxHeight: "20rem", "aria-label": "Ingest" });
    const frame = container.firstElementChild as HTMLElement;
    expect(frame.className).toBe("streamator-log-frame mine");
    expect(frame.style.color).toBe("red");
    expect(frame.style.getPropertyValue("--streamator-max-height")).toBe("20rem");
    expect(screen.getByRole("log", { name: "Ingest" }).className).toBe("streamator-log");
  });
});

describe("finding", () => {
  it("counts the lines that match, and steps through them, round the end", () => {
    show();
    find("FETCHING");
    expect(found()).toBe("2");
    fireEvent.click(button("Next match"));
    expect(found()).toBe("1 of 2");
    fireEvent.click(button("Next match"));
    expect(found()).toBe("2 of 2");
    fireEvent.click(button("Next match"));
    expect(found()).toBe("1 of 2");
    fireEvent.click(button("Previous match"));
    expect(found()).toBe("2 of 2");
  });

  it("shows when nothing matches, and disables the steps", () => {
    show();
    find("nowhere");
    expect(found()).toBe("none");
    expect((button("Next match") as HTMLButtonElement).disabled).toBe(true);
  });

  it("works by keyboard: / to the field, Enter and Escape in it, n and p in the log", () => {
    show();
    fireEvent.keyDown(log(), { key: "/" });
    const field = screen.getByRole("searchbox");
    expect(document.activeElement).toBe(field);
    find("fetching");
    fireEvent.keyDown(field, { key: "Enter" });
    expect(found()).toBe("1 of 2");
    fireEvent.keyDown(field, { key: "Escape" });
    expect(document.activeElement).toBe(log());
    fireEvent.keyDown(log(), { key: "n" });
    expect(found()).toBe("2 of 2");
    fireEvent.keyDown(log(), { key: "p" });
    expect(found()).toBe("1 of 2");
  });

  it("does not disturb the browser's own find, nor typing in the field", () => {
    show();
    expect(fireEvent.keyDown(log(), { key: "f", ctrlKey: true })).toBe(true);
    expect(fireEvent.keyDown(log(), { key: "/", ctrlKey: true })).toBe(true);
    expect(fireEvent.keyDown(screen.getByRole("searchbox"), { key: "/" })).toBe(true);
  });

  it("stays at its line while the log grows and old lines are dropped", () => {
    const { rerender } = show();
    find("b.txt");
    fireEvent.click(button("Next match"));
    fireEvent.click(button("Next match"));
    expect(found()).toBe("2 of 2");
    rerender(<LogPanel logs={[...logs.slice(3), entry(6, "b.txt again")]} active toolbar />);
    expect(found()).toBe("1 of 2");
  });

  it("marks matches by ranges, without elements, and removes them", () => {
    const registry = new Map<string, Set<Range>>();
    vi.stubGlobal("Highlight", Set);
    vi.stubGlobal("CSS", { highlights: registry });
    const { unmount } = show({ ansi: true, logs: [entry(1, "one \u001b[31mt\u001b[0mwo two"), entry(2, "two")] });
    const elements = log().querySelectorAll("*").length;
    find("two");
    fireEvent.click(button("Next match"));
    const marked = (name: string): string[] => [...(registry.get(name) ?? [])].map(String);
    expect(marked("streamator-find-current")).toEqual(["two", "two"]);
    expect(marked("streamator-find")).toEqual(["two"]);
    expect(log().querySelectorAll("*")).toHaveLength(elements);
    unmount();
    expect([...registry.values()].map(({ size }) => size)).toEqual([0, 0]);
  });
});

describe("marking matches", () => {
  let registry: Map<string, Set<Range>>;
  let made: ReturnType<typeof vi.spyOn>;

  beforeEach(() => {
    registry = new Map();
    vi.stubGlobal("Highlight", Set);
    vi.stubGlobal("CSS", { highlights: registry });
    made = vi.spyOn(document, "createRange");
  });

  const marked = (): string[] => [...(registry.get("streamator-find") ?? [])].map(String);
  const many = Array.from({ length: 200 }, (_, index) => entry(index + 1, `element ${index}`));

  it("a new line costs only its own marks", () => {
    const { rerender } = show({ logs: many });
    find("e");
    expect(registry.get("streamator-find")?.size).toBe(60); // the newest, while the log follows its end
    made.mockClear();
    rerender(<LogPanel logs={[...many, entry(201, "eleven")]} active toolbar />);
    expect(made).toHaveBeenCalledTimes(3);
    expect(registry.get("streamator-find")?.size).toBe(60);
  });

  it("marks go with their rows, and a changed row is marked again", () => {
    const { rerender } = show();
    find("b.txt");
    expect(marked()).toEqual(["b.txt", "b.txt"]);
    rerender(<LogPanel logs={[...logs.slice(0, 3), entry(4, "A b.txt, and another b.txt")]} active toolbar />);
    expect(marked()).toEqual(["b.txt", "b.txt", "b.txt"]);
    fireEvent.click(button("3 info"));
    expect(marked()).toEqual([]);
  });

  it("a line of very many matches has some marked, and none in its hidden rest", () => {
    show({ logs: [entry(1, "e".repeat(50_000)), entry(2, `${"x".repeat(20_000)}e`)] });
    find("e");
    expect(found()).toBe("2");
    expect(marked().length).toBeLessThanOrEqual(200);
  });

  it("rows by renderEntry are marked, too", () => {
    show({ renderEntry: ({ text, level }) => <p>{`${level}: ${text}`}</p> });
    find("txt");
    expect(marked()).toEqual(["txt", "txt", "txt"]);
  });
});

describe("levels", () => {
  it("are counted, and hidden and shown by their buttons", () => {
    show();
    expect(button("2 info").getAttribute("aria-pressed")).toBe("true");
    fireEvent.click(button("2 info"));
    fireEvent.click(button("1 success"));
    expect(texts()).toEqual(["Rate limited", "No such file: b.txt"]);
    expect(button("2 info").getAttribute("aria-pressed")).toBe("false");
    fireEvent.click(button("2 info"));
    expect(texts()).toHaveLength(4);
  });

  it("have their word and number as accessible name", () => {
    const many = Array.from({ length: 4821 }, (_, index) => entry(index + 1, "x", index < 2 ? "warning" : "info"));
    show({ logs: many, renderer: "window" });
    const levels = within(screen.getByRole("group", { name: "Levels" })).getAllByRole("button");
    expect(levels.map(({ textContent }) => textContent)).toEqual(["0 errors", "2 warnings", "0 success", "4,819 info"]);
    expect(levels.map((level) => level.getAttribute("aria-label") ?? level.title)).toEqual(["", "", "", ""]);
  });

  it("use the given words also before each line", () => {
    show({ words: { level: (level) => ({ error: 'Fehler "!"', warning: "Warnung" })[level] ?? level } });
    expect(log().style.getPropertyValue("--streamator-error-label")).toBe('"Fehler \\"!\\": "');
    expect(log().style.getPropertyValue("--streamator-warning-label")).toBe('"Warnung: "');
    cleanup();
    show();
    expect(log().style.getPropertyValue("--streamator-error-label")).toBe(""); // the style sheet has the English words
  });

  it.each([
    ["error", ["ERROR", "critical", "Fatal", "err"]],
    ["warning", ["warn", "WARNING"]],
    ["success", ["ok"]],
    ["info", ["debug", "INFO", "none of them", "", undefined]],
  ])("of entries of one's own are taken as %s where they mean it", async (level, written) => {
    const writeText = vi.fn<(text: string) => Promise<void>>(() => Promise.resolve());
    vi.stubGlobal("navigator", { clipboard: { writeText } });
    vi.useFakeTimers();
    const own = written.map((word, index) => ({ text: `line ${index}`, level: word, line: index + 1 }));
    render(<LogPanel logs={own} active toolbar />);
    expect(rows().map(({ className }) => /log-entry--\w+$/.exec(className)?.[0])).toEqual(own.map(() => `log-entry--${level}`));
    act(() => void vi.advanceTimersByTime(1000));
    const summary = { error: "4 errors, ", warning: "2 warnings, " }[level] ?? "";
    expect(document.querySelector("[role=status]")?.textContent).toBe(`${summary}${own.length} line${own.length === 1 ? "" : "s"}`);
    await act(async () => fireEvent.click(button("Copy")));
    expect(writeText).toHaveBeenCalledWith(own.map(({ text }) => `${level === "info" ? "" : `[${level}] `}${text}\n`).join(""));
    fireEvent.click(button(new RegExp(`^${own.length} ${level}`)));
    expect(rows()).toEqual([]);
  });

  it("hidden lines are not found", () => {
    show();
    fireEvent.click(button("2 info"));
    find("b.txt");
    expect(found()).toBe("1");
  });
});

describe("time and wrap", () => {
  const times = (): (string | null)[] => [...document.querySelectorAll(".streamator-log-time")].map(({ textContent }) => textContent);

  it("cycles from seconds to the time of day to none", () => {
    show({ startedAt: new Date(2026, 0, 1, 12, 0, 0) });
    expect(times()[4]).toBe("0.5s");
    fireEvent.click(button("Time: elapsed"));
    expect(times()[4]).toBe("12:00:00");
    fireEvent.click(button("Time: clock"));
    expect(times()).toEqual([]);
    fireEvent.click(button("Time: no time"));
    expect(times()[4]).toBe("0.5s");
  });

  it("has no time of day if the start is unknown", () => {
    show();
    fireEvent.click(button("Time: elapsed"));
    expect(times()).toEqual([]);
  });

  it("lines wrap until the reader turns it off", () => {
    show();
    expect(button("Wrap").getAttribute("aria-pressed")).toBe("true");
    fireEvent.click(button("Wrap"));
    expect(log().className).toContain("streamator-log--nowrap");
  });
});

describe("copying and downloading the log", () => {
  const all = "0.1s Fetching a.txt\n0.2s [warning] Rate limited\n0.3s Fetching b.txt\n0.4s [error] No such file: b.txt\n0.5s [success] Stored\n";

  it("copies all lines, also hidden ones, and confirms", async () => {
    const writeText = vi.fn<(text: string) => Promise<void>>(() => Promise.resolve());
    vi.stubGlobal("navigator", { clipboard: { writeText } });
    show();
    fireEvent.click(button("2 info"));
    fireEvent.click(button("Copy"));
    expect(await screen.findByRole("button", { name: "Copied" })).toBeTruthy();
    expect(writeText).toHaveBeenCalledWith(all);
  });

  it("copies without the clipboard API, and reports a failure", async () => {
    vi.stubGlobal("navigator", {});
    const copy = vi.fn<() => boolean>(() => (document.activeElement as HTMLTextAreaElement).value === all);
    document.execCommand = copy;
    show();
    fireEvent.click(button("Copy"));
    expect(await screen.findByRole("button", { name: "Copied" })).toBeTruthy();
    copy.mockReturnValue(false);
    fireEvent.click(button("Copied"));
    expect(await screen.findByRole("button", { name: "Not copied" })).toBeTruthy();
    expect(document.querySelector("textarea")).toBeNull();
  });

  it("downloads all lines as a text file by the given name", async () => {
    const made: Blob[] = [];
    vi.spyOn(URL, "createObjectURL").mockImplementation((blob) => {
      made.push(blob as Blob);
      return "blob:1";
    });
    const clicked: string[] = [];
    vi.spyOn(HTMLAnchorElement.prototype, "click").mockImplementation(function click(this: HTMLAnchorElement) {
      clicked.push(this.download);
    });
    show({ fileName: "job-7.txt" });
    fireEvent.click(button("Download"));
    expect(clicked).toEqual(["job-7.txt"]);
    expect(await made[0]?.text()).toBe(all);
  });
});

describe("line links", () => {
  it("number each line, with a link to it", () => {
    show({ lineLinks: true });
    const link = screen.getByRole("link", { name: "Link to line 4" });
    expect(link.getAttribute("href")).toBe("#L4");
    expect(link.textContent).toBe("4");
  });

  it("use the addresses of a function, and linkedLine is marked", () => {
    window.location.hash = "#L2";
    const lineLinks = (line: number): string => `#/jobs/7?line=${line}`;
    const linked = (): (string | null)[] => [...document.querySelectorAll(".streamator-log-entry--linked .streamator-log-text")].map(({ textContent }) => textContent);
    const { rerender } = show({ lineLinks });
    expect(screen.getByRole("link", { name: "Link to line 4" }).getAttribute("href")).toBe("#/jobs/7?line=4");
    expect(linked()).toEqual([]);
    rerender(<LogPanel logs={logs} active toolbar lineLinks={lineLinks} linkedLine={5} />);
    expect(linked()).toEqual(["Stored"]);
    rerender(<LogPanel logs={logs} active toolbar lineLinks={lineLinks} linkedLine={null} />);
    expect(linked()).toEqual([]);
  });

  it("are no stops for Tab: Enter in the log moves the focus to them, the arrows on, Escape back", () => {
    show({ lineLinks: true });
    const stops = [...document.querySelectorAll<HTMLElement>("a, [tabindex]")].filter(({ tabIndex }) => tabIndex >= 0);
    expect(stops).toEqual([log()]);
    log().focus();
    const press = (key: string): void => void fireEvent.keyDown(document.activeElement as Element, { key });
    const at = (): string | null | undefined => document.activeElement?.textContent;
    press("Enter");
    expect(at()).toBe("1");
    press("ArrowDown");
    press("ArrowDown");
    expect(at()).toBe("3");
    press("ArrowUp");
    expect(at()).toBe("2");
    expect(fireEvent.keyDown(document.activeElement as Element, { key: "Enter" })).toBe(true); // the browser follows it
    press("Escape");
    expect(document.activeElement).toBe(log());
  });

  it("Enter moves the focus to the link of the linked line", () => {
    show({ lineLinks: true });
    find("such file");
    fireEvent.click(button("Next match"));
    fireEvent.keyDown(log(), { key: "Enter" });
    expect(document.activeElement?.textContent).toBe("4");
  });

  it("scroll to their line, also if it comes later, and with another prefix", () => {
    window.location.hash = "#job-6";
    const { rerender } = show({ lineLinks: "job-" });
    const linked = (): (string | null)[] => [...document.querySelectorAll(".streamator-log-entry--linked .streamator-log-text")].map(({ textContent }) => textContent);
    expect(linked()).toEqual([]);
    rerender(<LogPanel logs={[...logs, entry(6, "six")]} active toolbar lineLinks="job-" />);
    expect(linked()).toEqual(["six"]);
    act(() => {
      window.location.hash = "#job-2";
      window.dispatchEvent(new HashChangeEvent("hashchange"));
    });
    expect(linked()).toEqual(["Rate limited"]);
  });

  it.each(["#L", "#L0", "#Lx", "#Other4", "#L99999999999999"])("%s names no line", (hash) => {
    window.location.hash = hash;
    show({ lineLinks: true });
    expect(document.querySelector(".streamator-log-entry--linked")).toBeNull();
  });
});

describe("ANSI colours", () => {
  it("are classes on spans, and never markup", () => {
    show({ ansi: true, logs: [entry(1, "\u001b[31m<img src=x onerror=alert(1)>\u001b[0m ok")] });
    expect(texts()).toEqual(["<img src=x onerror=alert(1)> ok"]);
    expect(document.querySelector(".streamator-ansi")?.textContent).toBe("<img src=x onerror=alert(1)>");
    expect(document.querySelector("img")).toBeNull();
  });
});

describe("a line of a million characters", () => {
  const long = `${"x".repeat(1_000_000)} the end`;
  const row = (): HTMLElement => rows()[0] as HTMLElement;
  const shown = (): string => [...row().querySelectorAll(".streamator-log-text > :not([hidden])")].map(({ textContent }) => textContent).join("");

  it("shows its beginning, and all of it on request", () => {
    show({ logs: [entry(1, long), entry(2)] });
    expect(shown()).toBe("x".repeat(10_000));
    fireEvent.click(button("Show all 1,000,008 characters"));
    expect(texts()[0]).toBe(long);
    expect(row().querySelector("button, [hidden]")).toBeNull();
    expect(document.activeElement).toBe(log());
  });

  it("is found, selected and downloaded whole", () => {
    show({ logs: [entry(1, long), entry(2)] });
    find("the end");
    expect(found()).toBe("1");
    document.getSelection()?.selectAllChildren(log());
    const copied = new Map<string, string>();
    fireEvent.copy(log(), { clipboardData: { setData: (type: string, text: string) => copied.set(type, text) } });
    expect(copied.get("text/plain")).toBe(`0.1s ${long}\n0.2s line 2`);
  });
});

describe("a log without wrap", () => {
  it("is as wide as its longest line, since its blocks clip what runs out of them", () => {
    const css = readFileSync(join(import.meta.dirname, "../src/log/log.css"), "utf8");
    expect(css).toMatch(/--nowrap > \.streamator-log-content \{\s+width: max-content;\s+min-width: 100%;/);
    show({ wrap: false });
    expect(document.querySelector(".streamator-log--nowrap > .streamator-log-content > .streamator-log-group > .streamator-log-block")).not.toBeNull();
  });
});

describe("the window", () => {
  const many = Array.from({ length: 50_000 }, (_, index) => entry(index + 1));

  it("holds few rows of any number of lines, the newest while it follows", () => {
    show({ renderer: "window", logs: many });
    expect(rows().length).toBeLessThanOrEqual(120);
    expect(texts().at(-1)).toBe("line 50000");
    expect(document.querySelector<HTMLElement>(".streamator-log-content")?.style.height).toBe("75000em");
  });

  it("finds lines that it does not hold", () => {
    show({ renderer: "window", logs: many });
    find("line 777");
    expect(found()).toBe("11");
  });

  it("shows every line of a text that has several", () => {
    const traceback = "Traceback:\n  File a\n  File b\nValueError";
    show({ renderer: "window", logs: [entry(1), entry(2, traceback), entry(3)] });
    expect(texts()).toEqual(["line 1", traceback, "line 3"]);
    expect(document.querySelector<HTMLElement>(".streamator-log-content")?.style.height).toBe("9em");
  });

  it("is placed at its first line, also below lines of several rows", () => {
    show({ renderer: "window", logs: Array.from({ length: 1_000 }, (_, index) => entry(index + 1, "one\ntwo")) });
    expect(document.querySelector<HTMLElement>(".streamator-log-content")?.style.height).toBe("3000em");
    expect(document.querySelector<HTMLElement>(".streamator-log-window")?.style.transform).toBe(`translateY(${(2_000 - rows().length * 2) * 1.5}em)`);
  });

  it("shows levels like rows", () => {
    show({ renderer: "window" });
    expect(rows().map(({ className }) => / streamator-log-entry--(\w+)/.exec(className)?.[1])).toEqual([undefined, "warning", undefined, "error", "success"]);
  });

  it("renders rows by renderEntry", () => {
    show({ renderer: "window", logs: many, renderEntry: ({ text }, index) => <p>{`${index}: ${text}`}</p> });
    expect([...document.querySelectorAll("p")].at(-1)?.textContent).toBe("49999: line 50000");
  });
});

describe("new lines while the reader has scrolled away", () => {
  function away() {
    const view = render(<LogPanel logs={logs} active />);
    Object.defineProperties(log(), { clientHeight: { value: 100 }, scrollHeight: { get: () => rows().length * 40 } });
    fireEvent.wheel(log(), { deltaY: -50 });
    return (count: number): void =>
      view.rerender(<LogPanel logs={[...logs, ...Array.from({ length: count }, (_, index) => entry(6 + index))]} active />);
  }

  it("are counted on a button that scrolls to the end and follows again", () => {
    const grow = away();
    expect(screen.queryByRole("button")).toBeNull();
    grow(1);
    expect(button(/1 new line$/)).toBeTruthy();
    grow(1200);
    fireEvent.click(button(/1,200 new lines/));
    expect(screen.queryByRole("button")).toBeNull();
    expect(log().scrollTop).toBe(rows().length * 40);
  });

  it("are not counted at the end", () => {
    const grow = away();
    fireEvent.keyDown(log(), { key: "End" });
    grow(3);
    expect(screen.queryByRole("button")).toBeNull();
  });
});

describe("the summary for screen readers", () => {
  const said = (): string | null | undefined => document.querySelector("[role=status]")?.textContent;

  it("counts errors first, one second after the first line and then every ten", () => {
    vi.useFakeTimers();
    const { rerender } = render(<LogPanel logs={logs} active />);
    expect(said()).toBe("");
    act(() => void vi.advanceTimersByTime(1000));
    expect(said()).toBe("1 error, 1 warning, 5 lines");
    for (let line = 6; line <= 20; line += 1) {
      rerender(<LogPanel logs={[...logs, entry(line)]} active />);
      act(() => void vi.advanceTimersByTime(500));
    }
    expect(said()).toBe("1 error, 1 warning, 5 lines");
    act(() => void vi.advanceTimersByTime(10_000));
    expect(said()).toBe("1 error, 1 warning, 6 lines");
  });

  it("does not keep lines alive while it waits", () => {
    const timers = vi.spyOn(globalThis, "setTimeout");
    render(<LogPanel logs={logs} active />);
    render(<LogPanel logs={[entry(1)]} active />);
    const [one, other] = timers.mock.calls.filter(([, wait]) => wait === 1000);
    expect(one?.[0]).toBeTypeOf("function");
    expect(other?.[0]).toBe(one?.[0]);
  });

  it("is silent for a log that ended before, and with summary={false}", () => {
    vi.useFakeTimers();
    render(<LogPanel logs={logs} active={false} />);
    act(() => void vi.advanceTimersByTime(60_000));
    expect(said()).toBe("");
    cleanup();
    render(<LogPanel logs={logs} active summary={false} />);
    expect(document.querySelector("[role=status]")).toBeNull();
  });
});

describe("the connection line", () => {
  it("counts down to the next attempt, in one line", () => {
    vi.useFakeTimers();
    const connection = { status: "reconnecting", error: null, outcome: null, attempt: 1, dropped: 0, missed: 0, resumes: 0, retryAt: Date.now() + 3000 } as const;
    const { rerender } = render(<LogPanel logs={logs} active connection={connection} />);
    const line = document.querySelector(".streamator-log-connection");
    expect(line?.textContent).toBe("Reconnecting in 3 s");
    act(() => void vi.advanceTimersByTime(1500));
    expect(line?.textContent).toBe("Reconnecting in 2 s");
    rerender(<LogPanel logs={logs} active connection={{ ...connection, status: "open", retryAt: null, resumes: 1 }} />);
    expect(document.querySelector(".streamator-log-connection")).toBe(line);
    expect(line?.textContent).toBe("Live · resumed with 0 lost");
  });
});

describe("words", () => {
  it("replace the English ones", () => {
    show({ words: { find: "Suchen", wrap: "Umbruch", level: (level) => ({ error: "Fehler" })[level] ?? level } });
    expect(screen.getByRole("searchbox", { name: "Suchen" })).toBeTruthy();
    const levels = within(screen.getByRole("group", { name: "Levels" }));
    expect(levels.getByRole("button", { name: "1 Fehler" })).toBeTruthy();
    expect(button("Umbruch")).toBeTruthy();
    expect(button("Download")).toBeTruthy();
  });
});
