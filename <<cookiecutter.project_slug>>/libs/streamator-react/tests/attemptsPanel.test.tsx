import { act, cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, describe, expect, it, vi } from "vitest";
import { LogPanel, type LogEntry, type LogPanelProps } from "../src/index.js";
import { makeAttemptList } from "../src/log/attemptList.js";
import { timeText } from "../src/log/line.js";
import { layOut } from "./support/layout.js";

afterEach(cleanup);

function line(number: number, attempt: number, text: string, more: Partial<LogEntry> = {}): LogEntry {
  const seconds = number / 10;
  return { text, t: `${seconds.toFixed(1)}s`, seconds, level: "info", id: number, line: number, ...(attempt > 1 && { attempt }), event: "log", ...more };
}
const rule = (number: number, attempt: number, reason: string): LogEntry => line(number, attempt, `Attempt ${attempt} - ${reason}`, { event: "attempt" });

const logs = [
  line(1, 1, "Fetching a.txt"),
  line(2, 1, "No such file", { level: "error" }),
  rule(3, 2, "worker lost"),
  line(4, 2, "Fetching b.txt"),
  rule(5, 3, "worker lost"),
  line(6, 3, "Stored", { level: "success" }),
];
const show = (props: Partial<LogPanelProps> = {}) => render(<LogPanel logs={logs} active toolbar {...props} />);
const texts = (): (string | null)[] => [...document.querySelectorAll(".streamator-log-text")].map(({ textContent }) => textContent);
const select = (): HTMLSelectElement => screen.getByRole<HTMLSelectElement>("combobox", { name: "Attempts" });
const choose = (value: string): void => void fireEvent.change(select(), { target: { value } });
const THIRD = ["Attempt 3 - worker lost", "Stored"];

describe("a log of several attempts", () => {
  it("is divided by rules, which have a name, no time and no link", () => {
    render(<LogPanel logs={logs} active lineLinks />);
    const rules = screen.getAllByRole("separator");
    expect(rules.map((each) => each.getAttribute("aria-label"))).toEqual(["Attempt 2 - worker lost", "Attempt 3 - worker lost"]);
    expect(rules[0]?.className).toBe("streamator-log-entry log-entry log-entry--info streamator-log-attempt");
    expect(rules[0]?.textContent).toBe("Attempt 2 - worker lost");
    expect(texts()).toHaveLength(6);
    expect(document.querySelectorAll(".streamator-log-line")).toHaveLength(4);
  });

  it("has no select while there is one attempt, and gets it with the second", () => {
    const { rerender } = show({ logs: logs.slice(0, 2) });
    expect(screen.queryByRole("combobox")).toBeNull();
    rerender(<LogPanel logs={logs.slice(0, 3)} active toolbar />);
    expect([...select().options].map(({ text }) => text)).toEqual(["All attempts", "Attempt 1", "Attempt 2 - worker lost"]);
  });

  it("shows one attempt alone, with its own counts, matches, copy and download", () => {
    vi.useFakeTimers();
    show();
    const made: Blob[] = [];
    vi.stubGlobal("URL", Object.assign(URL, { createObjectURL: (blob: Blob) => (made.push(blob), "blob:x"), revokeObjectURL: () => undefined }));
    vi.spyOn(HTMLAnchorElement.prototype, "click").mockImplementation(() => undefined);
    fireEvent.change(screen.getByRole("searchbox"), { target: { value: "fetching" } });
    expect(document.querySelector("output")?.textContent).toBe("2");

    choose("2");
    expect(texts()).toEqual(["Attempt 2 - worker lost", "Fetching b.txt"]);
    expect(document.querySelector("output")?.textContent).toBe("1");
    expect(screen.getByRole("button", { name: "0 errors" })).toBeTruthy();
    fireEvent.click(screen.getByRole("button", { name: "Download" }));
    expect(made).toHaveLength(1);

    choose("");
    expect(texts()).toHaveLength(6);
    expect(screen.getByRole("button", { name: "1 error" })).toBeTruthy();
  });

  it("keeps its rules when their level is hidden", () => {
    show();
    fireEvent.click(screen.getByRole("button", { name: "4 info" }));
    expect(texts()).toEqual(["No such file", "Attempt 2 - worker lost", "Attempt 3 - worker lost", "Stored"]);
  });

  it("shows what the prop says, all of it for null or an attempt without lines, and tells of each choice", () => {
    const onAttempt = vi.fn<(attempt: number | null) => void>();
    const { rerender } = show({ attempt: 3, onAttempt });
    expect(texts()).toEqual(THIRD);
    expect(select().value).toBe("3");
    choose("1");
    expect(texts()).toEqual(THIRD); // the page decides
    choose("");
    expect(onAttempt.mock.calls).toEqual([[1], [null]]);
    for (const attempt of [null, 7]) {
      rerender(<LogPanel logs={logs} active toolbar attempt={attempt} />);
      expect(texts()).toHaveLength(6);
    }
  });

  it("another log shows all of it, whatever was chosen in the last one", () => {
    const { rerender } = show();
    choose("3");
    rerender(<LogPanel logs={logs.slice(0, 2)} active toolbar />);
    expect(texts()).toEqual(["Fetching a.txt", "No such file"]);
  });

  it("in a large log and in a window each attempt is still found and shown alone", () => {
    layOut();
    const large = [...Array.from({ length: 2_500 }, (_, index) => line(index + 1, 1, `one ${index + 1}.`)), rule(2_501, 2, "worker lost"), ...Array.from({ length: 1_500 }, (_, index) => line(index + 2_502, 2, `two ${index + 1}.`))];
    const { rerender } = show({ logs: large });
    const log = screen.getByRole("log");
    expect(log.textContent).toContain("\nAttempt 2 - worker lost\n"); // as text: without a time, as in a row
    choose("2");
    expect(log.textContent).not.toContain("one 1.");
    expect(log.textContent).toContain("two 1.");
    rerender(<LogPanel logs={large} active toolbar renderer="window" attempt={1} />);
    expect(screen.getByRole("log").textContent).toContain("one 2500.");
    expect(screen.getByRole("log").textContent).not.toContain("two");
  });

  it("is told to screen readers: another attempt, once", () => {
    vi.useFakeTimers();
    const { rerender } = render(<LogPanel logs={logs.slice(0, 2)} active />);
    const status = (): string | null => screen.getByRole("status").textContent;
    act(() => vi.advanceTimersByTime(1_000));
    expect(status()).toBe("1 error, 2 lines");
    rerender(<LogPanel logs={logs.slice(0, 4)} active />);
    act(() => vi.advanceTimersByTime(10_000));
    expect(status()).toBe("Attempt 2 - worker lost. 1 error, 4 lines");
    rerender(<LogPanel logs={[...logs.slice(0, 4), line(5, 2, "more")]} active />);
    act(() => vi.advanceTimersByTime(10_000));
    expect(status()).toBe("1 error, 5 lines");
  });

  it("a colour that a dead attempt has left on does not go on in the next one", () => {
    const coloured = [line(1, 1, "\u001b[31mred"), line(2, 1, "still red"), rule(3, 2, "worker lost"), line(4, 2, "plain")];
    render(<LogPanel logs={coloured} active ansi />);
    expect([...document.querySelectorAll(".streamator-log-text")].map((each) => each.querySelector(".streamator-ansi") !== null)).toEqual([true, true, false, false]);
  });

  it("rows by renderEntry get its rules, too", () => {
    render(<LogPanel logs={logs} active renderEntry={({ text, event, attempt = 1 }) => <p>{`${attempt} ${event} ${text}`}</p>} />);
    expect([...document.querySelectorAll("p")].map(({ textContent }) => textContent).slice(2, 4)).toEqual(["2 attempt Attempt 2 - worker lost", "2 log Fetching b.txt"]);
  });
});

it("the time of day is by the attempt's own start; seconds if that is unknown", () => {
  const startedAt = new Date(2026, 0, 1, 10, 0, 0).getTime();
  const look = { time: "wall", startedAt, attempts: [{ attempt: 1, startedAt }, { attempt: 2, startedAt: startedAt + 60_000 }, { attempt: 3, startedAt: null }] } as const;
  expect([1, 2, 3, 4].map((attempt) => timeText({ t: 5, attempt }, look))).toEqual(["10:00:05", "10:01:05", "5.0s", "5.0s"]);
  expect(timeText({ t: 5, attempt: 2 }, { time: "wall", startedAt: Number.NaN })).toBe("--:--:--");
});

it("a panel with the attempts of useJob shows each line's own time of day", () => {
  const startedAt = new Date(2026, 0, 1, 10, 0, 0).getTime();
  show({ time: "wall", startedAt, attempts: [{ attempt: 1, startedAt }, { attempt: 2, startedAt: startedAt + 60_000 }] });
  expect([...document.querySelectorAll(".streamator-log-time")].map(({ textContent }) => textContent)).toEqual(["10:00:00", "10:00:00", "10:01:00", "0.6s"]);
});

describe("the list of attempts", () => {
  it("grows with the log, forgets attempts whose lines were dropped, and begins anew with another log", () => {
    const list = makeAttemptList();
    const numbers = (of: readonly LogEntry[]): number[] => list(of).map(({ attempt }) => attempt);
    expect(numbers(logs.slice(0, 2))).toEqual([1]);
    expect(numbers(logs)).toEqual([1, 2, 3]);
    expect(list(logs.slice(3))).toEqual([{ attempt: 2, text: "Attempt 2 - worker lost" }, { attempt: 3, text: "Attempt 3 - worker lost" }]);
    expect(numbers(logs.slice(5))).toEqual([3]);
    expect(numbers([line(1, 1, "another log")])).toEqual([1]);
    expect(makeAttemptList()(logs.slice(3))).toEqual([{ attempt: 2, text: null }, { attempt: 3, text: "Attempt 3 - worker lost" }]);
  });
});
