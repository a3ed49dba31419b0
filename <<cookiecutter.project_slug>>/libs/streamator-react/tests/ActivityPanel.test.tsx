import { act, cleanup, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ActivityPanel, type Activity } from "../src/index.js";

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2030, 0, 1, 12, 0, 0) });
});

afterEach(cleanup);

const lanes = (): HTMLElement[] => screen.getAllByRole("listitem");
const is = (state: string): boolean[] => lanes().map(({ classList }) => classList.contains(`streamator-lane--${state}`));

function activity(id: string, more: Partial<Activity> = {}): Activity {
  return { id, name: id, status: "running", updatedAt: Date.now(), ...more };
}

describe("ActivityPanel", () => {
  it("has a lane for each: name, status, message, what it works on, progress", () => {
    render(<ActivityPanel activities={[activity("tagger", { message: "Reading", progress: 40, source: "doc 1" }), activity("indexer", { status: "completed" })]} aria-label="Agents" />);
    expect(screen.getByRole("list", { name: "Agents" })).toBeTruthy();
    expect(lanes()[0]?.textContent).toBe("taggerrunningdoc 1nowReading");
    expect(screen.getByRole("progressbar", { name: "tagger" }).getAttribute("aria-valuenow")).toBe("40");
    expect(is("running")).toEqual([true, false]);
    expect(is("completed")).toEqual([false, true]);
  });

  it("shows a text when there is no activity", () => {
    render(<ActivityPanel activities={[]} />);
    expect(lanes().map(({ textContent }) => textContent)).toEqual(["Nobody is at work."]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("counts the seconds since the last sign of life, and greys out a lane without one for too long", () => {
    const { rerender } = render(<ActivityPanel activities={[activity("tagger")]} staleSeconds={10} />);
    act(() => void vi.advanceTimersByTime(10_000));
    expect(screen.getByText("10 s ago")).toBeTruthy();
    expect(is("stale")).toEqual([false]);
    act(() => void vi.advanceTimersByTime(1_000));
    expect(screen.getByText("no sign for 11 s")).toBeTruthy();
    expect(is("stale")).toEqual([true]);
    rerender(<ActivityPanel activities={[activity("tagger")]} staleSeconds={10} />);
    expect(is("stale")).toEqual([false]);
  });

  it("a resting lane needs no sign of life", () => {
    render(<ActivityPanel activities={["completed", "failed", "cancelled", "idle", "working"].map((status) => activity(status, { status }))} />);
    act(() => void vi.advanceTimersByTime(60_000));
    expect(is("stale")).toEqual([false, false, false, false, true]);
  });

  it("with resting=[] a completed lane needs signs of life, too", () => {
    render(<ActivityPanel activities={[activity("tagger", { status: "completed" })]} resting={[]} />);
    act(() => void vi.advanceTimersByTime(60_000));
    expect(is("stale")).toEqual([true]);
  });

  it("reads dates, ISO dates and milliseconds, and works without a time", () => {
    const at = Date.now() - 5_000;
    render(
      <ActivityPanel
        activities={[new Date(at), new Date(at).toISOString(), at, null, "no date"].map((updatedAt, index) => activity(`${index}`, { updatedAt }))}
      />,
    );
    expect(lanes().map((lane) => lane.querySelector("time")?.textContent ?? null)).toEqual(["5 s ago", "5 s ago", "5 s ago", null, null]);
    expect(lanes()[2]?.querySelector("time")?.dateTime).toBe("2030-01-01T11:59:55.000Z");
  });

  it("subtracts the clock skew", () => {
    render(<ActivityPanel activities={[activity("tagger", { updatedAt: Date.now() - 120_000 })]} clockSkew={118_000} />);
    expect(screen.getByText("2 s ago")).toBeTruthy();
    expect(is("stale")).toEqual([false]);
  });

  it("takes className, style, words and details", () => {
    render(<ActivityPanel activities={[activity("tagger")]} className="mine" style={{ color: "red" }} words={{ status: () => "läuft" }} renderDetails={({ id }) => <p>about {id}</p>} />);
    expect(screen.getByRole("list").className).toBe("streamator-panel streamator-activity mine");
    expect(screen.getByRole("list").style.color).toBe("red");
    expect(screen.getByText("läuft")).toBeTruthy();
    expect(screen.getByText("about tagger")).toBeTruthy();
  });
});
