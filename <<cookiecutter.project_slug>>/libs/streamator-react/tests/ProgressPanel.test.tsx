import { act, cleanup, render, screen } from "@testing-library/react";
import { afterEach, describe, expect, it, vi } from "vitest";
import { ProgressPanel, type ProgressStage } from "../src/index.js";

afterEach(cleanup);

const stages: ProgressStage[] = [
  { id: "load", label: "Load", icon: "📄" },
  { id: "write", label: "Write" },
  { id: "check", label: "Check" },
];
const bar = (): HTMLElement => screen.getByRole("progressbar");
const marks = (): string[] => screen.getAllByRole("listitem").map(({ className, textContent }) => `${textContent} ${className.replace("streamator-stage streamator-stage--", "")}`);

describe("ProgressPanel", () => {
  it("shows the percent, also to screen readers", () => {
    render(<ProgressPanel percent={41.7} message="Writing the second part" step="write" stages={stages} aria-label="Report" />);
    expect(bar().getAttribute("aria-label")).toBe("Report");
    expect(bar().getAttribute("aria-valuenow")).toBe("41.7");
    expect(bar().getAttribute("aria-valuetext")).toBe("Write: 41 %");
    expect((bar().firstElementChild as HTMLElement).style.inlineSize).toBe("41.7%");
    expect(screen.getByText("Writing the second part")).toBeTruthy();
    expect(screen.getByText("41 %")).toBeTruthy();
  });

  it("needs no props", () => {
    render(<ProgressPanel />);
    expect(bar().getAttribute("aria-valuenow")).toBeNull();
    expect(bar().getAttribute("aria-valuetext")).toBe("Running…");
    expect(bar().className).toContain("streamator-bar--unknown");
    expect(screen.queryByRole("list")).toBeNull();
  });

  it("marks the stages before, at and after the step, with their own icons or numbers", () => {
    render(<ProgressPanel step="write" stages={stages} />);
    expect(marks()).toEqual(["📄Load (done) done", "2Write (current) current", "3Check (pending) pending"]);
    expect(screen.getAllByRole("listitem").map((item) => item.getAttribute("aria-current"))).toEqual([null, "step", null]);
  });

  it.each(["failed", "cancelled", "lost"] as const)("that has %s stops at its stage", (state) => {
    render(<ProgressPanel step="write" stages={stages} state={state} percent={50} />);
    expect(marks()).toEqual(["📄Load (done) done", "✕Write (stopped) stopped", "3Check (pending) pending"]);
    expect(bar().getAttribute("aria-valuenow")).toBe("50");
  });

  it("a stopped job shows its state beside its last message", () => {
    const { container, rerender } = render(<ProgressPanel message="Writing part 2" state="failed" />);
    const message = (): string | null | undefined => container.querySelector(".streamator-progress-message")?.textContent;
    expect(message()).toBe("Failed · Writing part 2");
    rerender(<ProgressPanel state="cancelled" />);
    expect(message()).toBe("Cancelled");
    rerender(<ProgressPanel message="All written" state="completed" />);
    expect(message()).toBe("All written");
  });

  it("a completed job has all stages done, and 100 percent", () => {
    render(<ProgressPanel step="write" stages={stages} state="completed" percent={50} />);
    expect(marks()).toEqual(["📄Load (done) done", "✓Write (done) done", "✓Check (done) done"]);
    expect(bar().getAttribute("aria-valuenow")).toBe("100");
    expect(screen.getAllByText("Completed")).toHaveLength(2); // the message, and the announcement
  });

  it("announces stages and the end, not each percent", () => {
    const { rerender } = render(<ProgressPanel step="load" stages={stages} percent={1} />);
    expect(screen.getByRole("status").textContent).toBe("Load");
    rerender(<ProgressPanel step="load" stages={stages} percent={2} message="page 2" />);
    expect(screen.getByRole("status").textContent).toBe("Load");
    rerender(<ProgressPanel step="write" stages={stages} percent={30} />);
    expect(screen.getByRole("status").textContent).toBe("Write");
    rerender(<ProgressPanel step="write" stages={stages} state="failed" message="No disk" />);
    expect(screen.getByRole("status").textContent).toBe("Failed");
  });

  it("counts the time while it runs, and stops at the end", () => {
    vi.useFakeTimers({ now: 1_000_000 });
    const { rerender } = render(<ProgressPanel startedAt={new Date(995_000)} />);
    expect(screen.getByText("5 s")).toBeTruthy();
    act(() => void vi.advanceTimersByTime(60_000));
    expect(screen.getByText("1 min 05 s")).toBeTruthy();
    rerender(<ProgressPanel startedAt={995_000} endedAt={1_002_000} state="completed" />);
    expect(screen.getByText("7 s")).toBeTruthy();
    expect(vi.getTimerCount()).toBe(0);
  });

  it("renders nothing while idle", () => {
    expect(render(<ProgressPanel state="idle" percent={3} />).container.innerHTML).toBe("");
  });

  it("takes className, style and words", () => {
    const { container } = render(<ProgressPanel className="mine" style={{ color: "red" }} percent={10} words={{ percent: (percent) => `${percent} von 100` }} />);
    const panel = container.firstElementChild as HTMLElement;
    expect(panel.className).toBe("streamator-panel streamator-progress streamator-progress--running mine");
    expect(panel.style.color).toBe("red");
    expect(screen.getByText("10 von 100")).toBeTruthy();
  });
});
