import { act, cleanup, fireEvent, render, screen, waitFor } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ConfigContext } from "../../src/app/config";
import type { Config } from "../../src/app/config";
import type { Job } from "../../src/ingest/api";
import { JobCard } from "../../src/ingest/JobCard";
import type { JobCardProps } from "../../src/ingest/JobCard";

/** A server with one job: its log grows by `log`, and whoever streams it gets that at once. */
class Server {
  readonly requests: string[] = [];
  missing = false;
  #events: string[] = [];
  readonly #streams = new Set<ReadableStreamDefaultController<Uint8Array>>();

  log(event: Record<string, unknown>): void {
    this.#events.push(JSON.stringify(event));
    for (const stream of this.#streams) this.#send(stream, this.#events.length);
  }

  readonly fetch = async (input: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
    const url = new URL(input instanceof Request ? input.url : input, "http://localhost:3000");
    this.requests.push(`${init?.method ?? "GET"} ${url.pathname}`);
    if (url.pathname === "/healthz") return Response.json({ status: "ok", store: { name: "memory", degraded: null }, jobs: { workers: "inline", running: 0, degraded: null } });
    if (this.missing) return Response.json({ error: "not found" }, { status: 404 });
    if (url.pathname.endsWith("/cancel")) return Response.json({ status: "requested", requested: "a1" }, { status: 202 });
    const after = Number(url.searchParams.get("after") ?? 0);
    if (!url.pathname.endsWith("/stream")) {
      const logs = this.#events.slice(after).map((event): unknown => JSON.parse(event));
      return Response.json({ logs, next: this.#events.length, closed: this.#events.some((event) => event.includes('"done"')) });
    }
    const body = new ReadableStream<Uint8Array>({
      start: (stream) => {
        this.#streams.add(stream);
        for (let id = 1; id <= this.#events.length; id += 1) this.#send(stream, id);
      },
      cancel: () => this.#streams.clear(),
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  };

  #send(stream: ReadableStreamDefaultController<Uint8Array>, id: number): void {
    stream.enqueue(new TextEncoder().encode(`id: ${id}\ndata: ${this.#events[id - 1]}\n\n`));
  }
}

const running: Job = {
  job_id: "a1",
  kind: "ingest",
  source: "notes.md",
  status: "running",
  attempt: 1,
  created_at: new Date().toISOString(),
  finished_at: null,
  document_id: null,
  error: null,
  partial: null,
  step: null,
  percent: null,
  age_seconds: null,
};

const config: Config = {
  project_name: "Test",
  description: "",
  version: "0",
  store: "memory",
  auth: "none",
  max_upload_bytes: 1000,
  max_running_jobs: 8,
};

let server: Server;
const ignore = (): void => {};

beforeEach(() => {
  server = new Server();
  vi.stubGlobal("fetch", server.fetch);
});
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

function show(props: Partial<JobCardProps> = {}) {
  const card = (more: Partial<JobCardProps>) => (
    <ConfigContext value={config}>
      <JobCard
        job={running}
        delivery="stream"
        open
        onToggle={ignore}
        onChange={ignore}
        source={null}
        onAgain={ignore}
        {...props}
        {...more}
      />
    </ConfigContext>
  );
  const { rerender } = render(card({}));
  return (more: Partial<JobCardProps>) => rerender(card(more));
}

describe("an open card", () => {
  it("streams a running job, line by line, to its end, and then has the list look again", async () => {
    const onChange = vi.fn<JobCardProps["onChange"]>();
    show({ onChange });
    server.log({ event: "log", message: "First", level: "info", t: 0.1 });
    await screen.findByText("First");
    screen.getByText("Live");
    expect(onChange).not.toHaveBeenCalled();

    server.log({ event: "log", message: "Second", level: "warning", t: 0.2 });
    await screen.findByText("Second");
    screen.getByText(", 1 warning");

    server.log({ event: "done", status: "completed", t: 0.3 });
    await screen.findByText("Completed");
    await waitFor(() => expect(onChange).toHaveBeenCalled());
    expect(screen.queryByRole("button", { name: /^Cancel/ })).toBeNull();
    expect(server.requests).toContain("GET /api/log/a1/stream");
  });

  it("on a page of its own numbers its lines, with links that lead to them and can be shared", async () => {
    location.hash = "#/jobs/a1?line=2";
    server.log({ event: "log", message: "First", level: "info", t: 0.1 });
    server.log({ event: "log", message: "Second", level: "info", t: 0.2 });
    show({ onToggle: undefined });
    await screen.findByText("Second");
    expect(screen.getByRole("link", { name: "Link to line 1" }).getAttribute("href")).toBe("#/jobs/a1?line=1");
    expect(document.querySelector(".streamator-log-entry--linked")?.textContent).toContain("Second");
    act(() => {
      location.hash = "#/jobs/a1?line=1";
      globalThis.dispatchEvent(new HashChangeEvent("hashchange"));
    });
    expect(document.querySelector(".streamator-log-entry--linked")?.textContent).toContain("First");
    location.hash = "";
  });

  it("polls when the user prefers it", async () => {
    server.log({ event: "log", message: "First", level: "info", t: 0.1 });
    show({ delivery: "poll" });
    await screen.findByText("First");
    screen.getByText("Polling");
    expect(server.requests).toContain("GET /api/log/a1");
    expect(server.requests).not.toContain("GET /api/log/a1/stream");
  });

  it("asks once for the log of a job that is over, and holds no stream for it", async () => {
    server.log({ event: "log", message: "All there was", level: "info", t: 0.1 });
    server.log({ event: "done", status: "completed", t: 0.2 });
    show({ job: { ...running, status: "completed", finished_at: running.created_at } });
    await screen.findByText("All there was");
    expect(server.requests.filter((request) => request.includes("/log/"))).toEqual(["GET /api/log/a1"]);
  });

  it("does not read the log again when the list learns that the job is over", async () => {
    const update = show();
    server.log({ event: "log", message: "First", level: "info", t: 0.1 });
    server.log({ event: "done", status: "completed", t: 0.2 });
    await screen.findByText("Completed");
    update({ job: { ...running, status: "completed", finished_at: running.created_at } });
    screen.getByText("First");
    expect(server.requests.filter((request) => request.includes("/log/"))).toEqual(["GET /api/log/a1/stream"]);
  });

  it("shows how far the job is, and at its end what came of it, apart from its lines", async () => {
    show();
    server.log({ event: "progress", step: "fetching", message: "Fetching it", percent: 12, t: 0.1 });
    const bar = await screen.findByRole("progressbar", { name: "Progress of notes.md" });
    expect(bar.getAttribute("aria-valuenow")).toBe("12");
    expect(screen.getByRole("list", { name: "Stages" }).querySelector('[aria-current="step"]')?.textContent).toContain("Fetch");
    server.log({ event: "complete", type: "document", status: "success", message: "Stored it", details: {}, t: 0.2 });
    server.log({ event: "done", status: "completed", t: 0.3 });
    await screen.findByText("Stored it");
    await waitFor(() => expect(bar.getAttribute("aria-valuenow")).toBe("100"));
    expect(document.querySelectorAll(".streamator-log-entry")).toHaveLength(0);
  });

  it("says in plain words that a job is gone", async () => {
    server.missing = true;
    show();
    await screen.findByText("Gone");
    expect(screen.getByRole("article").textContent).toContain("keeps logs in memory. Start it again or use the DynamoDB store.");
  });

  it("polls the last lines of an interrupted job, and then no more", async () => {
    vi.useFakeTimers({ shouldAdvanceTime: true });
    const polls = (): number => server.requests.filter((request) => request === "GET /api/log/a1").length;
    try {
      server.log({ event: "log", message: "First", level: "info", t: 0.1 });
      show({ job: { ...running, status: "interrupted" } });
      await screen.findByText("First");
      await act(() => vi.advanceTimersByTimeAsync(2_500));
      server.log({ event: "log", message: "Late", level: "info", t: 0.2 });
      await act(() => vi.advanceTimersByTimeAsync(1_500));
      screen.getByText("Late");
      await act(() => vi.advanceTimersByTimeAsync(6_000));
      const asked = polls();
      await act(() => vi.advanceTimersByTimeAsync(10_000));
      expect(polls()).toBe(asked);
    } finally {
      vi.useRealTimers();
    }
  });

  it("looks again for the log of a job that another server has just begun", async () => {
    server.missing = true;
    render(
      <ConfigContext value={{ ...config, store: "redis" }}>
        <JobCard job={running} delivery="stream" open onToggle={ignore} onChange={ignore} source={null} onAgain={ignore} />
      </ConfigContext>,
    );
    await waitFor(() => expect(server.requests).toContain("GET /api/log/a1/stream"));
    await screen.findByText("Connecting", { selector: ".badge" });
    server.missing = false;
    server.log({ event: "log", message: "Here it is", level: "info", t: 0.1 });
    await screen.findByText("Here it is", undefined, { timeout: 3_000 });
    screen.getByText("Live");
  });

  it("shows hostile messages as letters", async () => {
    server.log({ event: "log", message: "<img src=x onerror=boom()>", level: "info", t: 0.1 });
    show();
    await screen.findByText("<img src=x onerror=boom()>");
    expect(document.querySelector("img")).toBeNull();
  });

  it("shows terminal output as a terminal does, on a card and on a page of its own", async () => {
    server.log({ event: "log", message: "\r10%\r\u001b[33mWARN\u001b[0m disk", level: "info", t: 0.1 });
    for (const onToggle of [ignore, undefined]) {
      show({ onToggle });
      expect((await screen.findByText("WARN")).parentElement?.textContent).toBe("WARN disk");
      cleanup();
    }
  });

  it("is being cancelled from the request on until the job has ended", async () => {
    show();
    await screen.findByText("Live");
    fireEvent.click(screen.getByRole("button", { name: "Cancel notes.md" }));
    await waitFor(() => expect(server.requests).toContain("POST /api/job/a1/cancel"));
    const button = screen.getByRole<HTMLButtonElement>("button", { name: "Cancel notes.md" });
    expect(button.textContent).toContain("Cancelling");
    expect(button.disabled).toBe(true);
    expect(screen.queryByRole("alert")).toBeNull();
  });

  it("cancels once, and says why when that fails", async () => {
    show();
    await screen.findByText("Live");
    server.missing = true;
    fireEvent.click(screen.getByRole("button", { name: "Cancel notes.md" }));
    expect((await screen.findByRole("alert")).textContent).toContain("It cannot be cancelled");
    expect(server.requests.filter((request) => request.startsWith("POST"))).toEqual(["POST /api/job/a1/cancel"]);
  });
});

describe("a closed card", () => {
  it("asks for nothing", () => {
    show({ open: false });
    screen.getByText("Running");
    expect(server.requests.filter((request) => request.includes("/log/"))).toEqual([]);
  });

  it("says how far the job is, as the list knows it", () => {
    show({ open: false, job: { ...running, step: "fetching", percent: 12.7, age_seconds: 3 } });
    expect(screen.getByText("12 %")).toBeTruthy();
  });

  it("says what of a job could not be done, as an open one does", () => {
    const part: Job = { ...running, status: "completed", finished_at: new Date().toISOString(), partial: "3 warnings, the first: a page is a picture" };
    const change = show({ job: part, open: false });
    expect(screen.getByText("3 warnings, the first: a page is a picture")).toBeTruthy();
    change({ open: true });
    expect(screen.getByText("3 warnings, the first: a page is a picture")).toBeTruthy();
  });

  it("shows why a job failed, and opens by its name", () => {
    const onToggle = vi.fn<NonNullable<JobCardProps["onToggle"]>>();
    const job: Job = { ...running, status: "failed", finished_at: running.created_at, error: "The PDF is encrypted." };
    show({ job, open: false, onToggle });
    screen.getByText("The PDF is encrypted.");
    fireEvent.click(screen.getByRole("button", { name: "notes.md", expanded: false }));
    expect(onToggle).toHaveBeenCalledWith(job, true);
  });
});

it("offers to run a job again only with what it ran with", async () => {
  const onAgain = vi.fn<JobCardProps["onAgain"]>();
  server.log({ event: "done", status: "failed", t: 0.1 });
  const job: Job = { ...running, status: "failed", finished_at: running.created_at };
  const update = show({ job, onAgain });
  expect(screen.queryByRole("button", { name: "Run again" })).toBeNull();
  const source = { url: "https://example.org/", limit: "50", refresh: true } as const;
  update({ source });
  fireEvent.click(screen.getByRole("button", { name: "Run again" }));
  expect(onAgain).toHaveBeenCalledWith(source);
});
