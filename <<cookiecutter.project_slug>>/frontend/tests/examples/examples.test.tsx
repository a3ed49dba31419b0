import { act, cleanup, fireEvent, render, screen, waitFor, within } from "@testing-library/react";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { ComponentsPage } from "../../src/examples/ComponentsPage";

const job = { job_id: "a", kind: "generate", source: "A report", status: "completed", created_at: "2030-01-01T00:00:00Z", finished_at: null, document_id: null, error: null };

let requested: string[];
let jobs: object[];

beforeEach(() => {
  requested = [];
  jobs = [job];
  vi.stubGlobal("fetch", (address: string) => {
    const url = new URL(address, document.baseURI).pathname;
    requested.push(url);
    if (url.startsWith("/api/jobs")) return Promise.resolve(Response.json({ jobs }));
    const events = [
      { event: "progress", t: 1, step: "write", message: "Half of it", percent: 50 },
      { event: "log", t: 1.5, message: "\u001b[32mStored\u001b[0m 4" },
      { event: "draft", t: 2, draft: "The text" },
      { event: "complete", t: 3, success: true },
      { event: "done", t: 3, status: "completed" },
    ];
    const body = events.map((event, index) => `id: ${index + 1}\ndata: ${JSON.stringify(event)}\n\n`).join("");
    return Promise.resolve(new Response(body, { headers: { "content-type": "text/event-stream" } }));
  });
});

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

it.each(["useJob", "LogPanel", "ProgressPanel", "DraftPanel", "ActivityPanel"])("shows %s alone, with its source", (name) => {
  render(<ComponentsPage />);
  const example = within(screen.getByRole("region", { name }));
  expect(example.getByText("Source")).toBeTruthy();
  expect(example.getByText(new RegExp(`import .*\\b${name}\\b.* from "streamator-react"`))).toBeTruthy();
});

it("follows the job that is chosen, with every panel that has something to show", async () => {
  render(<ComponentsPage />);
  const example = within(screen.getByRole("region", { name: "useJob" }));
  await waitFor(() => expect(example.getByRole("option", { name: /A report/ })).toBeTruthy());
  fireEvent.change(example.getByLabelText("Job"), { target: { value: "a" } });
  await waitFor(() => expect(example.getByRole("progressbar").getAttribute("aria-valuenow")).toBe("100"));
  expect(example.getByRole("region", { name: "Draft" }).textContent).toBe("The text");
  expect(example.getByRole("log").textContent).toContain("Half of it");
  expect(example.getByRole("log").textContent).toContain("Stored 4"); // its colour is no part of the text
  expect(requested).toContain("/api/log/a/stream");
});

it("plays a log of two attempts, each of which can be shown alone", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
  render(<ComponentsPage />);
  const example = within(screen.getByRole("region", { name: "LogPanel" }));
  for (let second = 0; second < 8; second += 1) await act(() => vi.advanceTimersByTimeAsync(1_000));
  expect(example.getByRole("separator", { name: "Attempt 2 - worker lost" })).toBeTruthy();
  fireEvent.change(example.getByRole("combobox", { name: "Attempts" }), { target: { value: "1" } });
  expect(example.getByRole("log").textContent).toMatch(/Page 2 answers slowly: trying again$/);
  vi.useRealTimers();
});

it("says so where no job has run yet", async () => {
  jobs = [];
  render(<ComponentsPage />);
  await waitFor(() => expect(screen.getByRole("option", { name: /None has run yet/ })).toBeTruthy());
});
