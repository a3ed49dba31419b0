import { cleanup, fireEvent, render, screen, waitFor, within } from "@testing-library/react";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { DashboardPage } from "../../src/dashboard/DashboardPage";
import { Backend } from "../streams";
import type { OpenStream } from "../streams";

const quiet = { event: "stats", processing_count: 0, completed: 4, failed: 1, cancelled: 2, rate_per_minute: 3, jobs: [], t: 0 };
const running = { job_id: "a1", kind: "ingest", source: "notes.md", step: "checking_cache", percent: 12.5, age_seconds: 61 };
const ended = {
  job_id: "b2", kind: "generation", source: "A text", status: "failed", created_at: "2026-01-01T10:00:00Z", finished_at: "2026-01-01T10:00:02Z",
  document_id: null, error: "It broke.", partial: null, step: null, percent: null, age_seconds: null,
};

let backend: Backend;
let streams: OpenStream[];
beforeEach(() => {
  backend = new Backend();
  streams = backend.stream("/api/stats/stream");
  backend.answers.set("/api/jobs?limit=50", () => Response.json({ jobs: [ended] }));
});
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

async function open(): Promise<OpenStream> {
  render(<DashboardPage />);
  await waitFor(() => expect(streams).toHaveLength(1));
  const [stream] = streams;
  if (stream === undefined) throw new Error("unreachable");
  stream.send(quiet);
  await screen.findByText("Nothing runs now");
  return stream;
}

function total(label: string): string | null {
  return screen.getByText(label, { selector: "dt" }).parentElement?.querySelector("dd")?.textContent ?? null;
}

it("shows the totals and each job that runs, as the stream tells them", async () => {
  const stream = await open();
  await screen.findByText("Live"); // at the frame after the event
  expect([total("Running"), total("Completed"), total("Failed"), total("Cancelled"), total("Ended in the last minute")]).toEqual(["0", "4", "1", "2", "3"]);

  stream.send({ ...quiet, processing_count: 1, jobs: [running] });
  const row = within(screen.getByRole("region", { name: "Running now" }));
  expect(await row.findByText("Checking cache")).toBeTruthy();
  expect(row.getByRole("progressbar", { name: "Progress of notes.md" }).getAttribute("aria-valuenow")).toBe("12.5");
  expect(row.getByText(/^1 min/)).toBeTruthy();

  stream.send({ ...quiet, completed: 5, jobs: [] });
  await screen.findByText("Nothing runs now");
  expect(total("Completed")).toBe("5");
});

it("asks for the ended jobs again when one has ended, and says why one failed", async () => {
  const stream = await open();
  const past = within(screen.getByRole("region", { name: "Ended" }));
  expect(await past.findByText("It broke.")).toBeTruthy();
  const before = backend.requests("/api/jobs?limit=50");
  stream.send({ ...quiet, failed: 2 });
  await waitFor(() => expect(backend.requests("/api/jobs?limit=50")).toBe(before + 1));
});

it("says what of a job could not be done", async () => {
  const part = { ...ended, status: "completed", error: null, partial: "18 of 20 items; 2 warnings, the first: no text" };
  backend.answers.set("/api/jobs?limit=50", () => Response.json({ jobs: [part] }));
  await open();
  const past = within(screen.getByRole("region", { name: "Ended" }));
  expect(await past.findByText("18 of 20 items; 2 warnings, the first: no text")).toBeTruthy();
});

it("cancels a job, and says why that cannot be done", async () => {
  const stream = await open();
  stream.send({ ...quiet, processing_count: 1, jobs: [running] });
  fireEvent.click(await screen.findByRole("button", { name: "Cancel notes.md" }));
  expect((await screen.findByRole("alert")).textContent).toMatch(/not found/i);
  expect(backend.asked).toContainEqual({ method: "POST", path: "/api/job/a1/cancel", body: "" });
});

it("opens a job's log by its name", async () => {
  const stream = await open();
  const logs = backend.stream("/api/log/a1/stream");
  stream.send({ ...quiet, processing_count: 1, jobs: [running] });
  fireEvent.click(await screen.findByRole("button", { name: "notes.md", expanded: false }));
  await waitFor(() => expect(logs).toHaveLength(1));
  logs[0]?.send({ event: "log", message: "A line", level: "info", t: 0.1 });
  logs[0]?.send({ event: "log", message: "\r50%\r\u001b[32m100%\u001b[0m", level: "info", t: 0.2 });
  logs[0]?.send({ event: "token", token: "not a line" });
  expect(await screen.findByText("A line")).toBeTruthy();
  expect(await screen.findByText("100%")).toBeTruthy(); // in its colour: the last state of a terminal's line
  fireEvent.click(screen.getByRole("button", { name: "notes.md", expanded: true }));
  await waitFor(() => expect(logs[0]?.closed).toBe(true));
});

it("keeps what is known while the stream is broken", async () => {
  vi.spyOn(Math, "random").mockReturnValue(0.5); // the jitter of reconnects
  const stream = await open();
  stream.send({ ...quiet, processing_count: 1, jobs: [running] });
  await screen.findByText("Checking cache");
  stream.cut();
  await screen.findByText("Reconnecting");
  expect(screen.getByText("Checking cache")).toBeTruthy();
});
