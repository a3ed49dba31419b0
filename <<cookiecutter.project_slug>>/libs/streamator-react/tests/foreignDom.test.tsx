import { cleanup, fireEvent, render } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ActivityPanel, DraftPanel, guard, LogPanel, ProgressPanel, type Activity, type ConnectionView, type LogPanelProps, type PanelEntry } from "../src/index.js";
import { OTHERS, playTwice, type Step } from "./support/others.js";
import { blocks, drawn, layOut, measured, placesOf, ROW } from "./support/layout.js";

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
  vi.stubGlobal("navigator", { clipboard: { writeText: () => Promise.resolve() } });
});

afterEach(cleanup);

function entry(line: number, text = `line ${line}.`, level = "info"): PanelEntry {
  return { text, t: line / 10, level, line };
}

const logs = [entry(1, "Fetching a.txt"), entry(2, "Rate \u001b[33mlimited\u001b[0m", "warning"), entry(3, "Fetching b.txt"), entry(4, "No such file", "error")];
const more = (from: number, count: number): PanelEntry[] => Array.from({ length: count }, (_, index) => entry(from + index));
const connection: ConnectionView = { status: "connecting", error: null, outcome: null, attempt: 0, dropped: 0, missed: 0, resumes: 0, retryAt: null };
const log = (): HTMLElement => document.querySelector("[role=log]") as HTMLElement;
// Not by role: such a query computes the style of each element, which is slow.
const button = (name: string | RegExp): HTMLElement => {
  const found = [...document.querySelectorAll("button")].find((one) => {
    const label = one.getAttribute("aria-label") ?? one.textContent ?? "";
    return typeof name === "string" ? label === name : name.test(label);
  });
  if (!found) throw new Error(`there is no button ${name}`);
  return found;
};
const find = (text: string): void => void fireEvent.change(document.querySelector("input") as HTMLInputElement, { target: { value: text } });

function panel(first: Partial<LogPanelProps<PanelEntry>>) {
  let props: LogPanelProps<PanelEntry> = { logs, active: true, ...first };
  let view: ReturnType<typeof render> | undefined;
  return (next: Partial<LogPanelProps<PanelEntry>> = {}): void => {
    props = { ...props, ...next };
    if (view) view.rerender(<LogPanel {...props} />);
    else view = render(<LogPanel {...props} />);
  };
}

describe.each(OTHERS)("with %s", (_, meddle) => {
  it("a log waits, grows, is searched, filtered, copied and cut, and ends", async () => {
    const steps = (): Step[] => {
      const show = panel({ logs: [], toolbar: true, connection, startedAt: 990_000 });
      return [
        () => show(),
        () => show({ waitingText: "Soon" }),
        () => show({ logs: logs.slice(0, 1), connection: { ...connection, status: "open" } }),
        () => show({ logs }),
        () => void vi.advanceTimersByTime(1_000), // the summary
        () => find("fetching"),
        () => fireEvent.click(button("Next match")),
        () => fireEvent.click(button("Next match")),
        () => find("nothing"),
        () => find(""),
        () => fireEvent.click(button("2 info")),
        () => fireEvent.click(button("1 warning")),
        () => fireEvent.click(button("2 info")),
        () => fireEvent.click(button("1 warning")),
        () => fireEvent.click(button(/^Time/)),
        () => fireEvent.click(button(/^Time/)),
        () => fireEvent.click(button(/^Time/)),
        () => fireEvent.click(button("Wrap")),
        () => fireEvent.click(button("Copy")),
        () => void vi.advanceTimersByTime(2_000),
        () => show({ ansi: true }),
        () => show({ lineLinks: true }),
        () => show({ lineLinks: false, ansi: false }),
        () => show({ logs: [...logs, entry(5, "10 %")], connection: { ...connection, status: "reconnecting", retryAt: Date.now() + 3_000 } }),
        () => show({ logs: [...logs, entry(5, "20 %")] }), // the same line, another text
        () => void vi.advanceTimersByTime(1_000),
        () => show({ logs: [...logs.slice(2), ...more(6, 30)], connection: { ...connection, status: "open" } }),
        () => show({ logs: [...logs, entry(5, "20000 %".padEnd(20_000, "x"))] }),
        () => fireEvent.click(button(/^Show all/)),
        () => show({ logs: more(1, 3), connection: { ...connection, status: "ended", outcome: "failed" }, active: false }),
        () => show({ logs: [] }),
      ];
    };
    const [meddled, alone] = await playTwice(steps, meddle);
    expect(meddled).toEqual(alone);
  });

  it("a log gets attempts, shows each alone, and another log has one again", async () => {
    const steps = (): Step[] => {
      const show = panel({ toolbar: true });
      const attempt = (line: number, number: number): PanelEntry => ({ ...entry(line, `Attempt ${number} - worker lost`), attempt: number, event: "attempt" });
      const choose = (value: string): void => void fireEvent.change(document.querySelector("select") as HTMLSelectElement, { target: { value } });
      const two = [...logs, attempt(5, 2), { ...entry(6), attempt: 2 }];
      return [
        () => show(),
        () => show({ logs: two }),
        () => choose("2"),
        () => show({ logs: [...two, attempt(7, 3), { ...entry(8), attempt: 3 }] }),
        () => choose("3"),
        () => choose(""),
        () => show({ logs: [attempt(7, 3), { ...entry(8), attempt: 3 }, attempt(9, 4)] }), // old lines were dropped
        () => show({ logs }),
      ];
    };
    const [meddled, alone] = await playTwice(steps, meddle);
    expect(meddled).toEqual(alone);
  });

  it("the button for new lines counts and goes", async () => {
    const steps = (): Step[] => {
      const show = panel({});
      return [
        () => show(),
        () => {
          Object.defineProperties(log(), { clientHeight: { value: 100 }, scrollHeight: { value: 1_000 } });
          fireEvent.wheel(log(), { deltaY: -50 });
        },
        () => show({ logs: [...logs, ...more(5, 1)] }),
        () => show({ logs: [...logs, ...more(5, 7)] }),
        () => fireEvent.click(button(/7 new lines/)),
        () => show({ logs: [...logs, ...more(5, 9)] }),
      ];
    };
    const [meddled, alone] = await playTwice(steps, meddle);
    expect(meddled).toEqual(alone);
  });

  it("a window of rows moves on", async () => {
    const steps = (): Step[] => {
      const show = panel({ renderer: "window", logs: more(1, 500) });
      return [() => show(), () => show({ logs: more(1, 550) }), () => show({ logs: more(300, 600) }), () => show({ logs: [entry(1, "a\nb")] })];
    };
    const [meddled, alone] = await playTwice(steps, meddle);
    expect(meddled).toEqual(alone);
  });

  it("blocks of a long log get rows and lose them, and show each line once", async () => {
    layOut();
    vi.spyOn(document, "hasFocus").mockReturnValue(true);
    const long = more(1, 3_000);
    const steps = (): Step[] => {
      const show = panel({ logs: long });
      const scrollTo = (line: number) => (): void => {
        fireEvent.wheel(log(), { deltaY: -1 });
        log().scrollTop = (line - 1) * ROW;
        fireEvent.scroll(log());
      };
      return [
        () => show(),
        () => void measured(log()),
        scrollTo(1_150),
        () => expect(drawn()).toEqual(expect.arrayContaining(placesOf(1_150))),
        scrollTo(2_700),
        () => expect(blocks()[placesOf(1_150)[0] ?? -1]?.className).toContain("--text"),
        scrollTo(1_150),
        () => show({ time: "off" }),
        () => show({ logs: long.slice(450) }),
        () => show({ logs: more(1, 10) }),
      ];
    };
    const [meddled, alone] = await playTwice(steps, meddle);
    expect(meddled).toEqual(alone);
  });

  it("rows by renderEntry come and go, also texts", async () => {
    const steps = (): Step[] => {
      const show = panel({ toolbar: true, renderEntry: ({ text }, index) => (index % 2 ? text : <p>{text}</p>) });
      return [() => show(), () => fireEvent.click(button("2 info")), () => fireEvent.click(button("2 info")), () => show({ logs: more(1, 9) }), () => show({ logs: more(4, 3) })];
    };
    const [meddled, alone] = await playTwice(steps, meddle);
    expect(meddled).toEqual(alone);
  });

  it("progress goes through its stages, stops, and ends", async () => {
    const stages = [
      { id: "load", label: "Load", icon: "📄" },
      { id: "write", label: "Write" },
    ];
    const steps = (): Step[] => {
      let view: ReturnType<typeof render> | undefined;
      const show = (props: Parameters<typeof ProgressPanel>[0]) => (): void => {
        if (view) view.rerender(<ProgressPanel {...props} />);
        else view = render(<ProgressPanel {...props} />);
      };
      return [
        show({ state: "starting", stages }),
        show({ stages, step: "load", percent: 10, message: "Page 1", startedAt: 999_000 }),
        () => void vi.advanceTimersByTime(1_000),
        show({ stages, step: "load", percent: 20, message: "Page 2", startedAt: 999_000 }),
        show({ stages, step: "write", percent: null, message: <b>Writing</b>, startedAt: 999_000 }),
        show({ stages, step: "write", state: "failed", message: "No disk" }),
        show({ stages, step: "write", state: "cancelled" }),
        show({ state: "cancelled", message: "By hand" }),
        show({ stages, state: "completed", message: "All written" }),
        show({ state: "idle" }),
      ];
    };
    const [meddled, alone] = await playTwice(steps, meddle);
    expect(meddled).toEqual(alone);
  });

  it("a draft waits, grows, is copied, and starts over", async () => {
    const steps = (): Step[] => {
      let view: ReturnType<typeof render> | undefined;
      const show = (text: string, props: Partial<Parameters<typeof DraftPanel>[0]> = {}) => (): void => {
        const element = <DraftPanel text={text} active title="Draft" {...props} />;
        if (view) view.rerender(element);
        else view = render(element);
      };
      return [
        show(""),
        show("Once"),
        show("Once upon"),
        () => {
          const region = (document.querySelector("[role=region]") as HTMLElement);
          Object.defineProperties(region, { clientHeight: { value: 100 }, scrollHeight: { value: 1_000 } });
          fireEvent.wheel(region, { deltaY: -50 });
        },
        show("Once upon a"),
        () => fireEvent.click(button(/Follow/)),
        () => fireEvent.click(button("Copy")),
        () => void vi.advanceTimersByTime(2_000),
        show("# Once", { renderText: (text) => <h1>{text.slice(2)}</h1>, title: "Second" }),
        show("Plain again", { active: false }),
        show(""),
        show("", { active: false }),
      ];
    };
    const [meddled, alone] = await playTwice(steps, meddle);
    expect(meddled).toEqual(alone);
  });

  it("lanes come, change, fall silent and leave", async () => {
    const item = (id: string, rest: Partial<Activity> = {}): Activity => ({ id, name: id, status: "running", message: `${id} begins`, updatedAt: Date.now(), ...rest });
    const steps = (): Step[] => {
      let view: ReturnType<typeof render> | undefined;
      const show = (...activities: Activity[]): void => {
        const element = <ActivityPanel activities={activities} renderDetails={({ status }) => (status === "failed" ? "see the log" : null)} />;
        if (view) view.rerender(element);
        else view = render(element);
      };
      return [
        () => show(),
        () => show(item("a")),
        () => show(item("a", { message: "a goes on", progress: 10 }), item("b", { source: "web" })),
        () => void vi.advanceTimersByTime(5_000),
        () => void vi.advanceTimersByTime(40_000),
        () => show(item("b", { status: "failed" })),
        () => show(item("b", { status: "running", updatedAt: undefined })),
        () => show(),
      ];
    };
    const [meddled, alone] = await playTwice(steps, meddle);
    expect(meddled).toEqual(alone);
  });
});

describe("after an extension removed some of our elements", () => {
  it("a log goes on with what comes next", () => {
    const show = panel({ logs: more(1, 450), toolbar: true, connection });
    show();
    for (const selector of [".streamator-log-entry", ".streamator-log-block", ".streamator-log-entry:last-child"]) document.querySelector(selector)?.remove();
    show({ logs: more(100, 500) });
    show({ logs: more(300, 500) });
    expect(log().textContent).toContain("line 799.");
    show({ logs: [] });
    expect(document.querySelector(".streamator-log-waiting")?.textContent).toBe("⏳ Starting…");
    document.querySelector(".streamator-log-waiting")?.remove();
    show({ logs: more(1, 2) });
    expect(log().textContent).toBe("0.1s line 1.0.2s line 2.");
  });

  it("a removed lane does not disturb the others", () => {
    const lanes = ["a", "b", "c"].map((id) => ({ id, name: id, status: "running" }));
    const view = render(<ActivityPanel activities={lanes} />);
    view.container.querySelector("li")?.remove();
    view.rerender(<ActivityPanel activities={[{ id: "z", name: "z", status: "running" }, ...lanes.slice(0, 2)]} />);
    view.rerender(<ActivityPanel activities={lanes.slice(1)} />);
    expect([...view.container.querySelectorAll(".streamator-lane-name")].map(({ textContent }) => textContent)).toEqual(["b", "c"]);
  });
});

it("Node.prototype guards a whole page whose texts were replaced, moved or removed", () => {
  const { removeChild, insertBefore } = Node.prototype;
  guard(Node.prototype);
  try {
    const Page = ({ rows }: { rows: readonly string[] }) => (
      <main>
        {rows.length > 1 && <b>several</b>}
        {rows}
        <hr />
      </main>
    );
    const view = render(<Page rows={["one"]} />);
    const main = view.container.querySelector("main") as HTMLElement;
    const font = document.createElement("font");
    main.firstChild?.replaceWith(font);
    view.rerender(<Page rows={["one", "two"]} />); // before the text that was replaced, and after it
    expect(main.querySelector("b")).not.toBeNull();
    font.append(main.querySelector("hr") as HTMLElement);
    view.rerender(<Page rows={["one", "two", "three"]} />);
    expect([...main.childNodes].map(({ textContent }) => textContent)).toEqual(expect.arrayContaining(["two", "three"]));
    main.querySelector("b")?.remove();
    view.rerender(<Page rows={[]} />);
    expect(main.textContent).toBe("");
    view.rerender(<p>another page</p>);
    expect(view.container.innerHTML).toBe("<p>another page</p>");
  } finally {
    Object.assign(Node.prototype, { removeChild, insertBefore });
  }
});

it("times, line numbers and counts are not translated", () => {
  panel({ toolbar: true, lineLinks: true })();
  find("e");
  const left = [".streamator-log-time", ".streamator-log-line", ".streamator-log-level", "output"].filter((selector) => document.querySelector(selector)?.closest("[translate=no]"));
  expect(left).toHaveLength(4);
  expect(document.querySelector(".streamator-log-text")?.closest("[translate=no]")).toBeNull();
});
