import { act, cleanup, fireEvent, render, screen } from "@testing-library/react";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { ReactNode } from "react";
import { afterEach, describe, expect, it, vi } from "vitest";
import { BLOCK } from "../src/log/blocks.js";
import { LogPanel, type LogEntry, type LogLevel } from "../src/index.js";

afterEach(cleanup);

function entry(line: number, text = `line ${line}`, level: LogLevel = "info"): LogEntry {
  return { text, t: `${(line / 10).toFixed(1)}s`, seconds: line / 10, level, id: line, line, event: "log" };
}

function entries(count: number): LogEntry[] {
  return Array.from({ length: count }, (_, index) => entry(index + 1));
}

const rows = (): HTMLElement[] => [...document.querySelectorAll<HTMLElement>(".streamator-log-entry")];

describe("LogPanel", () => {
  it("renders nothing while idle and empty", () => {
    const { container } = render(<LogPanel logs={[]} active={false} />);
    expect(container.innerHTML).toBe("");
  });

  it("shows the waiting text while active and empty", () => {
    const { rerender } = render(<LogPanel logs={[]} active />);
    expect(document.querySelector(".streamator-log-waiting")?.textContent).toBe("⏳ Starting…");
    rerender(<LogPanel logs={[]} active waitingText="Gleich" />);
    expect(document.querySelector(".streamator-log-waiting")?.textContent).toBe("Gleich");
    rerender(<LogPanel logs={entries(1)} active />);
    expect(document.querySelector(".streamator-log-waiting")).toBeNull();
  });

  it("shows time and text, and names the level in the classes", () => {
    render(<LogPanel logs={[entry(123, "plain"), entry(124, "good", "success"), entry(125, "hm", "warning"), entry(126, "bad", "error")]} active={false} />);
    expect(rows().map(({ className }) => className)).toEqual([
      "streamator-log-entry log-entry log-entry--info",
      "streamator-log-entry streamator-log-entry--success log-entry log-entry--success",
      "streamator-log-entry streamator-log-entry--warning log-entry log-entry--warning",
      "streamator-log-entry streamator-log-entry--error log-entry log-entry--error",
    ]);
    expect(rows()[0]?.querySelector(".streamator-log-time")?.textContent).toBe("12.3s");
    expect(rows()[0]?.textContent).toBe("12.3s plain");
  });

  it("shows a level by a sign, and by a word for screen readers, not by colour alone", () => {
    render(<LogPanel logs={[entry(1, "good", "success"), entry(2, "hm", "warning"), entry(3, "bad", "error")]} active={false} />);
    const css = readFileSync(join(import.meta.dirname, "../src/log/log.css"), "utf8");
    const signs = rows().map(({ classList: [, className = ""] }) => {
      const [, rule = ""] = new RegExp(`\\.${className},[^{}]*\\{([^}]*)\\}`).exec(css) ?? [];
      return [/-sign: "(.)";/.exec(rule)?.[1], /-label: var\(--streamator-\w+-label, "(.+)"\);/.exec(rule)?.[1]];
    });
    expect(css).toMatch(/::before \{\s+content: var\(--streamator-level-sign\);/);
    expect(css).toMatch(/::before \{\s+content: var\(--streamator-level-sign\) \/ var\(--streamator-level-label\);/);
    expect(signs).toEqual([["✓", "success: "], ["!", "warning: "], ["✕", "error: "]]);
    // The signs are in the panel's padding: elements that clip have a gutter for them.
    expect(css).toMatch(/\.streamator-log-entry \{\s+margin-inline-start: -10px;\s+padding-inline-start: 10px;/);
  });

  it("takes className, style and maxHeight", () => {
    const { rerender } = render(<LogPanel logs={entries(1)} active className="log mine" style={{ color: "red" }} maxHeight="200px" />);
    const panel = screen.getByRole("log");
    expect(panel.className).toBe("streamator-log log mine");
    expect(panel.style.color).toBe("red");
    expect(panel.style.getPropertyValue("--streamator-max-height")).toBe("200px");
    rerender(<LogPanel logs={entries(1)} active maxHeight={90} />);
    expect(panel.style.getPropertyValue("--streamator-max-height")).toBe("90px");
  });

  it("is a log with a name that announces no single line, reachable by keyboard", () => {
    render(<LogPanel logs={entries(1)} active aria-label="Ingest of a.pdf" />);
    const panel = screen.getByRole("log", { name: "Ingest of a.pdf" });
    expect(panel.getAttribute("aria-live")).toBe("off");
    expect(panel.hasAttribute("aria-busy")).toBe(false); // JAWS hides busy elements
    expect(panel.tabIndex).toBe(0);
    cleanup();
    render(<LogPanel logs={entries(1)} active />);
    expect(screen.getByRole("log", { name: "Job log" })).toBeTruthy();
  });

  it("65: shows hostile text as text", () => {
    const hostile = '<img src=x onerror="alert(1)"> javascript:alert(1) \u001b[31m \u202Egnp.exe';
    render(<LogPanel logs={[entry(1, hostile)]} active />);
    expect(document.querySelector(".streamator-log-text")?.textContent).toBe(hostile);
    expect(document.querySelector("img")).toBeNull();
  });

  it("draws rows by renderEntry, with each entry's index", () => {
    render(<LogPanel logs={entries(3)} active renderEntry={({ text }, index) => <p>{`${index}: ${text}`}</p>} />);
    expect([...document.querySelectorAll("p")].map(({ textContent }) => textContent)).toEqual(["0: line 1", "1: line 2", "2: line 3"]);
    expect(rows()).toHaveLength(0);
  });

  it("takes entries of your own, without times or levels", () => {
    render(<LogPanel logs={[{ text: "mine" }, { text: "yours", t: "12:03" }]} active={false} />);
    expect(rows().map(({ textContent }) => textContent)).toEqual(["mine", "12:03 yours"]);
  });

  it("renders each row once while the log grows line by line", () => {
    const renderEntry = vi.fn<(entry: LogEntry) => ReactNode>(({ text }) => <p>{text}</p>);
    const all = entries(1000);
    const { rerender } = render(<LogPanel logs={all.slice(0, 800)} active renderEntry={renderEntry} />);
    renderEntry.mockClear();
    rerender(<LogPanel logs={all.slice(0, 801)} active renderEntry={renderEntry} />);
    expect(renderEntry).toHaveBeenCalledTimes(1);
  });

  it("leaves the rows in place when the oldest lines are dropped", () => {
    const all = entries(1000);
    const { rerender } = render(<LogPanel logs={all.slice(0, 900)} active />);
    const before = rows().find(({ textContent }) => textContent?.endsWith("line 700"));
    rerender(<LogPanel logs={all.slice(250, 1000)} active />);
    expect(rows()).toHaveLength(750);
    expect(rows()[0]?.textContent).toBe("25.1s line 251");
    expect(rows().find(({ textContent }) => textContent?.endsWith("line 700"))).toBe(before);
  });

  it("shows a log that was replaced by another", () => {
    const { rerender } = render(<LogPanel logs={entries(300)} active />);
    rerender(<LogPanel logs={[entry(1, "other"), entry(2, "log")]} active />);
    expect(rows().map(({ textContent }) => textContent)).toEqual(["0.1s other", "0.2s log"]);
  });

  it("a line without text and time keeps its height", () => {
    render(<LogPanel logs={[entry(1, ""), entry(2, "\u001b[0m")]} active ansi time="off" />);
    for (const row of rows()) expect(row.querySelector(".streamator-log-text > br")).not.toBeNull();
  });

  it("rows are copied as one line each, with a blank between time and text", () => {
    const css = readFileSync(join(import.meta.dirname, "../src/log/log.css"), "utf8");
    expect(css).toMatch(/\.streamator-log-entry \{\s+display: block;/);
    expect(css).toMatch(/\.streamator-log-text \{\s+display: inline-block;/);
    render(<LogPanel logs={entries(1)} active />);
    expect(rows()[0]?.textContent).toBe("0.1s line 1");
  });

  it("still follows the end after the toolbar is added", () => {
    const { rerender } = render(<LogPanel logs={entries(10)} active />);
    rerender(<LogPanel logs={entries(10)} active toolbar />);
    const panel = screen.getByRole("log");
    Object.defineProperties(panel, { clientHeight: { value: 100 }, scrollHeight: { get: () => rows().length * 20 } });
    rerender(<LogPanel logs={entries(20)} active toolbar />);
    expect(panel.scrollTop).toBe(400);
    fireEvent.wheel(panel, { deltaY: -30 });
    rerender(<LogPanel logs={entries(30)} active toolbar />);
    expect(panel.scrollTop).toBe(400);
  });

  it("takes 10,000 lines", () => {
    render(<LogPanel logs={entries(10_000)} active />);
    expect(rows()).toHaveLength(10_000);
    expect(document.querySelectorAll(".streamator-log-block")).toHaveLength(10_000 / BLOCK);
  });
});

describe("following the end", () => {
  // happy-dom lays nothing out: a panel of 100 px that shows lines of 20 px.
  function layout(panel: HTMLElement): void {
    let scrollTop = panel.scrollTop;
    Object.defineProperties(panel, {
      clientHeight: { get: () => 100 },
      clientWidth: { get: () => 300 },
      scrollHeight: { get: () => rows().length * 20 },
      scrollTop: {
        get: () => Math.max(0, Math.min(scrollTop, rows().length * 20 - 100)),
        set(value: number) {
          scrollTop = Math.max(0, Math.min(value, rows().length * 20 - 100));
        },
      },
    });
  }

  function follow(autoScroll?: boolean): { panel: HTMLElement; grow: (count: number) => void; scrollTo: (top: number) => void } {
    const view = render(<LogPanel logs={entries(10)} active autoScroll={autoScroll} />);
    const panel = screen.getByRole("log");
    layout(panel);
    return {
      panel,
      grow: (count) => view.rerender(<LogPanel logs={entries(count)} active autoScroll={autoScroll} />),
      scrollTo(top) {
        panel.scrollTop = top;
        fireEvent.scroll(panel);
      },
    };
  }

  it("keeps the newest line in view", () => {
    const { panel, grow } = follow();
    grow(20);
    expect(panel.scrollTop).toBe(300);
    grow(30);
    expect(panel.scrollTop).toBe(500);
  });

  it.each([
    ["the wheel", (panel: HTMLElement) => fireEvent.wheel(panel, { deltaY: -30 })],
    ["PageUp", (panel: HTMLElement) => fireEvent.keyDown(panel, { key: "PageUp" })],
    ["ArrowUp", (panel: HTMLElement) => fireEvent.keyDown(panel, { key: "ArrowUp" })],
    ["Home", (panel: HTMLElement) => fireEvent.keyDown(panel, { key: "Home" })],
    ["a finger", (panel: HTMLElement) => fireEvent.touchMove(panel, { touches: [{ clientY: 90 }] })],
  ])("lets go for %s, and follows again from the end", (_, leave) => {
    const { panel, grow, scrollTo } = follow();
    grow(20);
    leave(panel);
    scrollTo(120);
    grow(30);
    expect(panel.scrollTop).toBe(120);
    scrollTo(500);
    grow(40);
    expect(panel.scrollTop).toBe(700);
  });

  it.each([
    ["End", (panel: HTMLElement) => fireEvent.keyDown(panel, { key: "End" })],
    ["a turn of the wheel past the end", (panel: HTMLElement) => fireEvent.wheel(panel, { deltaY: 200 })],
  ])("follows again at %s, though the log has grown before the scroll arrives", (_, comeBack) => {
    const { panel, grow, scrollTo } = follow();
    grow(20);
    fireEvent.wheel(panel, { deltaY: -30 });
    scrollTo(120);
    comeBack(panel);
    grow(30);
    expect(panel.scrollTop).toBe(500);
  });

  it("stops following while the scroll bar is dragged", () => {
    const { panel, grow, scrollTo } = follow();
    grow(20);
    const press = new MouseEvent("mousedown", { bubbles: true });
    Object.defineProperty(press, "offsetX", { value: 305 });
    panel.dispatchEvent(press);
    scrollTo(50);
    fireEvent.mouseUp(window);
    grow(30);
    expect(panel.scrollTop).toBe(50);
  });

  it.each([
    ["the button is let go", () => fireEvent.mouseUp(window)],
    ["the mouse is back without it, where no event told of that", () => fireEvent.mouseMove(window, { buttons: 0 })],
  ])("is as high as it was while its scroll bar is held, for a browser drags it only then, until %s", (_, release) => {
    const { panel, grow } = follow();
    const content = panel.querySelector<HTMLElement>(".streamator-log-content");
    Object.defineProperty(content, "offsetHeight", { value: 200 });
    fireEvent.mouseDown(panel);
    fireEvent.mouseMove(window, { buttons: 1 });
    grow(20);
    expect(content?.style).toMatchObject({ maxHeight: "200px", overflowY: "clip" });
    release();
    expect(content?.style).toMatchObject({ maxHeight: "", overflowY: "" });
    expect(panel.scrollTop).toBe(300);
    fireEvent.mouseDown(panel.querySelector(".streamator-log-entry") as Element);
    expect(content?.style.maxHeight).toBe("");
  });

  it("layout and a wheel downwards do not stop following", () => {
    const { panel, grow } = follow();
    grow(20);
    grow(14);
    fireEvent.scroll(panel); // the end has moved up, and the position with it
    expect(panel.scrollTop).toBe(180);
    fireEvent.wheel(panel, { deltaY: 30 });
    grow(30);
    expect(panel.scrollTop).toBe(500);
  });

  it.each([
    ["a screen reader's cursor, or find, which no event tells of", (panel: HTMLElement) => panel],
    ["the wheel that zooms", (panel: HTMLElement) => fireEvent.wheel(panel, { deltaY: -30, ctrlKey: true })],
    ["a scroll bar at the left, or one without a width", (panel: HTMLElement) => fireEvent.mouseDown(panel)],
  ])("the reader has it where it was moved by %s, also before the scroll event has come", (_, begin) => {
    const { panel, grow, scrollTo } = follow();
    grow(20);
    begin(panel);
    panel.scrollTop = 120;
    grow(30);
    expect(panel.scrollTop).toBe(120);
    fireEvent.scroll(panel);
    fireEvent.mouseUp(window);
    grow(40);
    expect(panel.scrollTop).toBe(120);
    scrollTo(700);
    grow(50);
    expect(panel.scrollTop).toBe(900);
  });

  it("small steps of the reader add up", () => {
    const { panel, grow, scrollTo } = follow();
    grow(20);
    for (const top of [299.2, 298.5, 297.7]) scrollTo(top);
    grow(30);
    expect(panel.scrollTop).toBe(297.7);
  });

  it("rounded positions on a zoomed page do not count as a move", () => {
    const { panel, grow, scrollTo } = follow();
    grow(20);
    scrollTo(299.1);
    grow(30);
    expect(panel.scrollTop).toBe(500);
  });

  it("a key in a field of a row does not count as a move", () => {
    const { panel, grow } = follow();
    grow(20);
    const field = panel.appendChild(document.createElement("input"));
    fireEvent.keyDown(field, { key: "ArrowUp" });
    field.remove();
    grow(30);
    expect(panel.scrollTop).toBe(500);
  });

  it("PageUp in a link of a row counts as PageUp in the log", () => {
    const { panel, grow } = follow();
    grow(20);
    const link = panel.appendChild(document.createElement("a"));
    fireEvent.keyDown(link, { key: "PageUp" });
    link.remove();
    grow(30);
    expect(panel.scrollTop).toBe(300);
  });

  describe("and a selection", () => {
    const select = (range: [Node, Node] | null): void => {
      act(() => {
        if (range) document.getSelection()?.setBaseAndExtent(range[0], 0, range[1], 1);
        else document.getSelection()?.removeAllRanges();
        document.dispatchEvent(new Event("selectionchange"));
      });
    };
    afterEach(() => document.getSelection()?.removeAllRanges());

    it("stays during a selection and follows after it", () => {
      const { panel, grow } = follow();
      grow(20);
      select([rows()[17] as Node, rows()[18] as Node]);
      grow(30);
      expect(panel.scrollTop).toBe(300);
      expect(screen.getByRole("button", { name: /10 new lines/ })).toBeTruthy();
      select(null);
      expect(panel.scrollTop).toBe(500);
    });

    it("stays where the reader scrolled while they selected upwards", () => {
      const { panel, grow, scrollTo } = follow();
      grow(20);
      fireEvent.mouseDown(rows()[18] as Element);
      select([rows()[18] as Node, rows()[17] as Node]);
      scrollTo(220);
      grow(30);
      fireEvent.mouseUp(window);
      select(null);
      grow(40);
      expect(panel.scrollTop).toBe(220);
    });

    it("follows during a selection once the reader goes to the end", () => {
      const { panel, grow } = follow();
      grow(20);
      select([rows()[17] as Node, rows()[18] as Node]);
      fireEvent.keyDown(panel, { key: "End" });
      grow(30);
      expect(panel.scrollTop).toBe(500);
    });

    it("lines do not move below a pressed button or finger, nor while one selection replaces another", () => {
      const { panel, grow } = follow();
      grow(20);
      select([rows()[17] as Node, rows()[18] as Node]);
      for (const [down, up] of [["mouseDown", "mouseUp"], ["touchStart", "touchEnd"]] as const) {
        const before = panel.scrollTop;
        fireEvent[down](rows()[18] as Element, { touches: [{ clientY: 50 }] });
        if (down === "touchStart") fireEvent.touchMove(rows()[18] as Element, { touches: [{ clientY: 53 }] }); // the finger trembles
        select(null);
        grow(30);
        expect(panel.scrollTop).toBe(before);
        fireEvent[up](window);
        expect(panel.scrollTop).toBe(500);
        grow(20);
      }
    });

    it("a finger that moved up stops following, even if it is lifted before anything scrolled", () => {
      const { panel, grow } = follow();
      grow(20);
      fireEvent.touchStart(panel, { touches: [{ clientY: 50 }] });
      fireEvent.touchMove(panel, { touches: [{ clientY: 90 }] });
      fireEvent.touchEnd(panel);
      grow(30);
      expect(panel.scrollTop).toBe(300);
    });

    it("a selection elsewhere on the page changes nothing", () => {
      const { panel, grow } = follow();
      grow(20);
      const outside = document.body.appendChild(document.createElement("p"));
      outside.textContent = "outside";
      select([outside, outside]);
      grow(30);
      expect(panel.scrollTop).toBe(500);
      outside.remove();
    });
  });

  it("stays where it is without autoScroll", () => {
    const { panel, grow } = follow(false);
    grow(40);
    expect(panel.scrollTop).toBe(0);
  });
});
