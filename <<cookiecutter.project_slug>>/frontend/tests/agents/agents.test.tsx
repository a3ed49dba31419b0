import { cleanup, fireEvent, render, screen, waitFor, within } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Activity, StreamEvent } from "streamator-react";
import { AgentsPage } from "../../src/agents/AgentsPage";
import { connectAgentStream } from "../../src/agents/api";
import { Lanes } from "../../src/agents/Lanes";
import { lanesAfter, shownLanes } from "../../src/agents/reports";

function report(event: string, agent: string, source: string, status: string, message: string, progress = 0): StreamEvent {
  return {
    stream: "agent",
    source_id: source,
    event,
    timestamp: "2026-01-02T03:04:05Z",
    payload: { agent_name: agent, status, message, progress },
  };
}

const beat = (agent: string): StreamEvent => report("heartbeat", agent, agent, "waiting", "Waiting for documents");
const done = (agent: string, message: string): StreamEvent => report("activity_completed", agent, "d1", "completed", message, 100);

describe("the lanes", () => {
  it("begin with the first heartbeat", () => {
    const [first] = lanesAfter([], beat("tagger"));
    expect(first).toMatchObject({ id: "tagger", status: "waiting", message: "Waiting for documents" });
  });

  it("keep what was done last through the heartbeats after it", () => {
    const later = { ...beat("tagger"), timestamp: "2026-01-02T03:05:00Z" };
    const lanes = [beat("tagger"), done("tagger", "bridges"), later].reduce(lanesAfter, [] as readonly Activity[]);
    expect(lanes).toHaveLength(1);
    expect(lanes[0]).toMatchObject({ status: "completed", message: "bridges", progress: 100, updatedAt: "2026-01-02T03:05:00Z" });
  });

  it("do not show at work whom a heartbeat says to be waiting: the server that was stopped said no end", () => {
    const lanes = [report("activity_updated", "tagger", "d1", "running", "Counting", 30), beat("tagger")].reduce(lanesAfter, [] as readonly Activity[]);
    expect(lanes[0]).toMatchObject({ status: "waiting", message: "Waiting for documents", progress: 0 });
  });

  it("leave the others alone", () => {
    const before = [beat("tagger"), beat("indexer")].reduce(lanesAfter, [] as readonly Activity[]);
    expect(lanesAfter(before, done("tagger", "bridges"))[1]).toBe(before[1]);
    expect(lanesAfter(before, beat("tagger"))[1]).toEqual(before[1]);
  });

  it("are named as people name them", () => {
    expect(shownLanes(lanesAfter([], done("summariser", "x")))[0]).toMatchObject({ name: "Summariser", source: null });
  });
});

/** The backend: JSON by path, and streams that end where they have a `done`. */
class Backend {
  readonly asked: string[] = [];
  readonly answers = new Map<string, () => unknown>();
  readonly streams = new Map<string, readonly StreamEvent[]>();

  readonly fetch = async (input: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
    const { pathname, search } = new URL(input instanceof Request ? input.url : input, document.baseURI);
    const url = pathname + search;
    this.asked.push(`${init?.method ?? "GET"} ${url}`);
    const events = this.streams.get(url);
    if (events !== undefined) return stream(events, init?.signal);
    const answer = this.answers.get(url);
    if (answer === undefined) return Response.json({ error: "not found" }, { status: 404 });
    return Response.json(answer());
  };
}

function stream(events: readonly StreamEvent[], signal: AbortSignal | null | undefined): Response {
  const text = events.map((event, index) => `id: ${index + 1}\ndata: ${JSON.stringify(event)}\n\n`).join("");
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(new TextEncoder().encode(`retry: 3000\n: ok\n\n${text}`));
      if (events.at(-1)?.event === "done") controller.close();
      else signal?.addEventListener("abort", () => controller.error(new DOMException("aborted", "AbortError")));
    },
  });
  return new Response(body, { headers: { "content-type": "text/event-stream" } });
}

let backend: Backend;
beforeEach(() => {
  backend = new Backend();
  backend.answers.set("/healthz", () => ({ status: "ok", store: { name: "memory", degraded: null }, jobs: { workers: "inline", running: 0, degraded: null } }));
  vi.stubGlobal("fetch", backend.fetch);
});
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

function lane(name: string): HTMLElement {
  const found = within(screen.getByRole("list", { name: "Agents" })).getAllByRole("listitem");
  const one = found.find((item) => item.textContent.includes(name));
  if (one === undefined) throw new Error(`there is no lane ${name}`);
  return one;
}

it("follows the next run when one is over, and the lanes go on", async () => {
  let run = "r1";
  backend.answers.set("/api/agents", () => ({ agents: [], run_id: run, now: new Date().toISOString() }));
  const now = new Date().toISOString();
  backend.streams.set("/api/agents/stream?run=r1", [{ ...done("tagger", "of the first run"), timestamp: now }, { event: "done", status: "completed" }]);
  backend.streams.set("/api/agents/stream?run=r2", [beat("tagger"), { ...done("indexer", "of the second run"), timestamp: now }]);
  const onWorked = vi.fn<() => void>();
  render(<Lanes kind={null} documentId={null} onWorked={onWorked} />);
  await screen.findByText("of the first run");
  await screen.findByText("Waiting for the next run");
  run = "r2";
  await screen.findByText("of the second run", undefined, { timeout: 5_000 });
  await screen.findByText("Live"); // at the frame after the events
  expect(lane("Tagger").textContent).toContain("of the first run");
  expect(onWorked).toHaveBeenCalledTimes(2);
});

it("waits for the first run", async () => {
  backend.answers.set("/api/agents", () => ({ agents: [], run_id: null, now: new Date().toISOString() }));
  render(<Lanes kind={null} documentId={null} onWorked={() => {}} />);
  await screen.findByText("No run yet");
  expect(backend.asked.filter((asked) => asked.includes("/stream"))).toEqual([]);
});

it("asks the server for one agent and one document, and for the run that had it", async () => {
  backend.answers.set("/api/agents?id=d1", () => ({ agents: [], run_id: "r1", now: new Date().toISOString() }));
  const url = "/api/agents/stream?run=r1&kind=tagger&id=d1";
  backend.streams.set(url, [done("tagger", "bridges")]);
  render(<Lanes kind="tagger" documentId="d1" onWorked={() => {}} />);
  await screen.findByText("bridges");
  expect(backend.asked).toContain(`GET ${url}`);
});

it("goes by the server's clock when it says that an agent is silent", async () => {
  const hour = 3_600_000;
  const ahead = new Date(Date.now() + hour).toISOString();
  backend.answers.set("/api/agents", () => ({ agents: [], run_id: "r1", now: ahead }));
  const silent = new Date(Date.now() + hour - 90_000).toISOString();
  backend.streams.set("/api/agents/stream?run=r1", [
    { ...beat("tagger"), timestamp: ahead },
    { ...done("indexer", "bridges"), timestamp: silent },
  ]);
  render(<Lanes kind={null} documentId={null} onWorked={() => {}} />);
  await waitFor(() => expect(lane("Indexer").textContent).toContain("silent for 1 min"));
  expect(lane("Tagger").textContent).toMatch(/heard/);
  expect(lane("Indexer").className).toContain("stale");
  expect(lane("Tagger").className).not.toContain("stale");
});

describe("what they found", () => {
  const findings = {
    document_id: "d1",
    title: "On bridges",
    tags: ["suspension bridge", "cables"],
    summary: ["A bridge hangs.", "Wind blows."],
    related: [{ document_id: "d2", title: "On towers" }],
    work: [
      { agent_name: "tagger", status: "completed", finished_at: "2026-01-02T03:04:05Z" },
      { agent_name: "indexer", status: "failed", finished_at: "2026-01-02T03:04:05Z" },
    ],
  };

  const asked = (): number => backend.asked.filter((each) => each.includes("/findings")).length;

  beforeEach(() => {
    backend.answers.set("/api/agents", () => ({ agents: [], run_id: "r1", now: new Date().toISOString() }));
    backend.answers.set("/api/agents/findings?limit=100", () => ({ documents: [findings], total: 230 }));
    backend.streams.set("/api/agents/stream?run=r1", [done("tagger", "long ago"), done("indexer", "long ago, too")]);
  });

  it("is asked for once, whatever the run tells of its past, and counted with what is not listed", async () => {
    render(<AgentsPage route="/agents" params={{}} />);
    await screen.findByText("long ago, too");
    await screen.findByRole("article", { name: "On bridges" });
    expect(asked()).toBe(1);
    expect(screen.getByText("230 documents")).toBeTruthy();
  });

  it("is asked for again when somebody has finished something", async () => {
    const now = new Date().toISOString();
    backend.streams.set("/api/agents/stream?run=r1", [done("tagger", "long ago"), { ...done("indexer", "just now"), timestamp: now }]);
    render(<AgentsPage route="/agents" params={{}} />);
    await screen.findByText("just now");
    await waitFor(() => expect(asked()).toBe(2));
  });

  it("is that of one document where the address names it", async () => {
    backend.answers.set("/api/agents/findings?limit=1&document_id=d1", () => ({ documents: [findings], total: 1 }));
    backend.streams.set("/api/agents/stream?run=r1&id=d1", []);
    render(<AgentsPage route="/agents/:id" params={{ id: "d1" }} />);
    await screen.findByRole("article", { name: "On bridges" });
    expect(screen.getByText("1 document")).toBeTruthy();
  });

  it("is shown with the document, and leads to those about the same", async () => {
    render(<AgentsPage route="/agents" params={{}} />);
    const article = within(await screen.findByRole("article", { name: "On bridges" }));
    expect(article.getAllByRole("listitem").map((item) => item.textContent)).toContain("suspension bridge");
    expect(article.getByText("A bridge hangs. … Wind blows.")).toBeTruthy();
    expect(article.getByRole("link", { name: "On towers" }).getAttribute("href")).toBe("#/agents/d2");
    expect(article.getByText(/Gave up: Indexer/)).toBeTruthy();
  });

  it("can be asked for again, and a refusal is said", async () => {
    render(<AgentsPage route="/agents" params={{}} />);
    fireEvent.click(await screen.findByRole("button", { name: "Work on On bridges again" }));
    expect((await screen.findByRole("alert")).textContent).toBe("Not found.");
    expect(backend.asked).toContain("DELETE /api/agents/findings/d1");
  });
});

describe("connectAgentStream", () => {
  it("tells each report of one run after another, until it is closed", async () => {
    let run: string | null = "r1";
    backend.answers.set("/api/agents?id=d1", () => ({ agents: [], run_id: run, now: new Date().toISOString() }));
    backend.streams.set("/api/agents/stream?run=r1&kind=tagger&id=d1", [done("tagger", "one"), { event: "done", status: "completed" }]);
    backend.streams.set("/api/agents/stream?run=r2&kind=tagger&id=d1", [done("tagger", "two")]);
    const told: string[] = [];
    const followed = connectAgentStream(({ payload }) => told.push(payload.message), { kind: "tagger", documentId: "d1" });
    await waitFor(() => expect(told).toEqual(["one"]));
    run = "r2";
    await waitFor(() => expect(told).toEqual(["one", "two"]), { timeout: 5_000 });
    followed.close();
  });

  it("says that it cannot be followed, and looks again", async () => {
    const said: string[] = [];
    const told: string[] = [];
    const followed = connectAgentStream(({ payload }) => told.push(payload.message), { onError: (message) => said.push(message) });
    await waitFor(() => expect(said).toEqual(["Not found."]));
    backend.answers.set("/api/agents", () => ({ agents: [], run_id: "r1", now: new Date().toISOString() }));
    backend.streams.set("/api/agents/stream?run=r1", [done("tagger", "one")]);
    await waitFor(() => expect(told).toEqual(["one"]), { timeout: 5_000 });
    followed.close();
  });
});
