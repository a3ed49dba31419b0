import { act, cleanup, renderHook, waitFor } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { ApiError } from "../../src/app/api";
import { ingestUrlStream } from "../../src/ingest/api";
import type { IngestComplete, IngestProgress, Job } from "../../src/ingest/api";
import { stageOf, stages, useProgress } from "../../src/ingest/progress";
import type { Delivery } from "../../src/ingest/delivery";
import { useStarts } from "../../src/ingest/starts";
import { Backend } from "../streams";

const URL_STREAM = "/api/ingest/stream";
const fetching = { event: "progress", step: "fetching", message: "Fetching it", percent: 3, t: 0.1 };
const stored = { event: "complete", type: "document", status: "success", message: "Stored “A”", details: { title: "A" }, t: 0.2 };
const skipped = { ...stored, status: "skipped", message: "Already ingested: nothing to do" };
const done = { event: "done", status: "completed", t: 0.3 };
const address = { url: "https://example.org/a", limit: "50", refresh: false } as const;

let backend: Backend;
beforeEach(() => {
  backend = new Backend();
});
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

describe("ingestUrlStream", () => {
  function ingest() {
    const told: string[] = [];
    const stream = ingestUrlStream(
      address.url,
      "month",
      ({ step }: IngestProgress) => told.push(step),
      ({ status, details }: IngestComplete) => told.push(`${status} ${details.title}`),
      ({ kind, message }: ApiError) => told.push(`${kind} ${message}`),
      { onJobId: (id) => told.push(`job ${id}`) },
    );
    return { told, stream };
  }

  it("asks for the address with its limit, and tells each step and the end", async () => {
    const opened = backend.stream(URL_STREAM, { "x-job-id": "a1" });
    const { told } = ingest();
    await waitFor(() => expect(opened).toHaveLength(1));
    expect(JSON.parse(backend.asked[0]?.body ?? "")).toEqual({ url: address.url, limit: "month", refresh: false });
    for (const event of [fetching, stored, done]) opened[0]?.send(event);
    await waitFor(() => expect(told).toEqual(["job a1", "fetching", "success A"]));
  });

  it("goes on by the job's own stream when it breaks off, and does not start a second job", async () => {
    const opened = backend.stream(URL_STREAM, { "x-job-id": "a1" });
    const own = backend.stream("/api/log/a1/stream");
    const { told } = ingest();
    await waitFor(() => expect(opened).toHaveLength(1));
    opened[0]?.send(fetching);
    await waitFor(() => expect(told).toContain("fetching"));
    opened[0]?.cut();
    await waitFor(() => expect(own).toHaveLength(1));
    own[0]?.send(stored);
    own[0]?.send(done);
    await waitFor(() => expect(told).toEqual(["job a1", "fetching", "success A"]));
    expect(backend.requests(URL_STREAM)).toBe(1);
  });

  it("says why it was refused, in the server's words", async () => {
    backend.answers.set(URL_STREAM, () => Response.json({ error: "8 jobs are running: wait for one to end" }, { status: 429 }));
    const { told } = ingest();
    await waitFor(() => expect(told).toEqual(["busy 8 jobs are running: wait for one to end."]));
  });

  it("can be awaited, until it is over or closed", async () => {
    const opened = backend.stream(URL_STREAM, { "x-job-id": "a1" });
    const first = ingest();
    await waitFor(() => expect(opened).toHaveLength(1));
    for (const event of [stored, done]) opened[0]?.send(event);
    await first.stream;
    expect(first.told).toContain("success A");
    const second = ingest();
    second.stream.close();
    await second.stream;
  });

  it("calls nobody after it was closed", async () => {
    const opened = backend.stream(URL_STREAM, { "x-job-id": "a1" });
    const { told, stream } = ingest();
    await waitFor(() => expect(opened).toHaveLength(1));
    stream.close();
    for (const event of [fetching, stored, done]) opened[0]?.send(event);
    await waitFor(() => expect(opened[0]?.closed).toBe(true));
    expect(told.filter((what) => !what.startsWith("job"))).toEqual([]);
  });
});

describe("the starts", () => {
  function begin(delivery: Delivery = "stream") {
    const jobs: Job[] = [];
    const { result } = renderHook(() => useStarts((job) => jobs.push(job), delivery));
    return { jobs, starts: () => result.current };
  }

  it("show what an address is at until it is taken in", async () => {
    const opened = backend.stream(URL_STREAM, { "x-job-id": "a1" });
    const { jobs, starts } = begin();
    act(() => starts().start([address]));
    await waitFor(() => expect(jobs).toHaveLength(1));
    expect(jobs[0]).toMatchObject({ job_id: "a1", source: address.url, status: "running" });
    opened[0]?.send({ ...fetching, item: { number: 2, total: 7, url: "https://example.org/b" } });
    await waitFor(() => expect(starts().items[0]?.doing).toBe("2 of 7: Fetching it"));
    opened[0]?.send(stored);
    opened[0]?.send(done);
    await waitFor(() => expect(starts().items).toEqual([]));
  });

  it("hold the stream of the newest address alone", async () => {
    const opened = backend.stream(URL_STREAM, { "x-job-id": "a1" });
    const { jobs, starts } = begin();
    act(() => starts().start([address, { ...address, url: "https://example.org/b" }]));
    await waitFor(() => expect(jobs).toHaveLength(2));
    await waitFor(() => expect(opened[0]?.closed).toBe(true));
    expect(opened[1]?.closed).toBe(false);
  });

  it("hold no stream where the user prefers to poll", async () => {
    const started = { job_id: "a1", source: address.url, created_at: "2026-01-01T10:00:00Z" };
    backend.answers.set("/api/ingest", () => Response.json(started, { status: 202 }));
    const { jobs, starts } = begin("poll");
    act(() => starts().start([address]));
    await waitFor(() => expect(jobs[0]).toMatchObject(started));
    await waitFor(() => expect(starts().items).toEqual([]));
    expect(backend.asked).toEqual([{ method: "POST", path: "/api/ingest", body: JSON.stringify(address) }]);
  });

  it("keep what was skipped, with a way to fetch it all the same", async () => {
    const opened = backend.stream(URL_STREAM, { "x-job-id": "a1" });
    const { starts } = begin();
    act(() => starts().start([address]));
    await waitFor(() => expect(opened).toHaveLength(1));
    opened[0]?.send(skipped);
    opened[0]?.send(done);
    await waitFor(() => expect(starts().items[0]?.skipped).toBe("Already ingested: nothing to do"));
    const [item] = starts().items;
    if (item === undefined) throw new Error("unreachable");
    act(() => starts().again(item));
    await waitFor(() => expect(opened).toHaveLength(2));
    expect(backend.asked.map(({ body }) => (body === "" ? null : (JSON.parse(body) as { refresh: boolean }).refresh))).toEqual([false, true]);
  });

  it("68: begin without a stream where the server has no room for another", async () => {
    const started = { job_id: "a1", source: address.url, created_at: "2026-01-01T10:00:00Z" };
    backend.answers.set(URL_STREAM, () => Response.json({ error: "50 streams are open" }, { status: 429 }));
    backend.answers.set("/api/ingest", () => Response.json(started, { status: 202 }));
    const { jobs, starts } = begin();
    act(() => starts().start([address]));
    await waitFor(() => expect(jobs[0]).toMatchObject(started));
    await waitFor(() => expect(starts().items).toEqual([]));
    expect(backend.asked.map(({ body }) => body)).toEqual([JSON.stringify(address), JSON.stringify(address)]);
  });

  it("can be tried again where the server was busy", async () => {
    for (const path of [URL_STREAM, "/api/ingest"]) {
      backend.answers.set(path, () => Response.json({ error: "8 jobs are running" }, { status: 429 }));
    }
    const { starts } = begin();
    act(() => starts().start([address]));
    await waitFor(() => expect(starts().items[0]).toMatchObject({ error: "8 jobs are running.", retry: true }));
  });
});

describe("the progress of a log", () => {
  it("is what its last event says, and at the end what came of it", () => {
    const { result } = renderHook(() => useProgress());
    expect(result.current[0]).toBeNull();
    act(() => result.current[1]({ event: "log", message: "a line" }));
    expect(result.current[0]).toBeNull();
    act(() => result.current[1](fetching));
    expect(result.current[0]).toEqual({ step: "fetching", message: "Fetching it", percent: 3 });
    act(() => result.current[1](stored));
    expect(result.current[0]).toEqual({ step: "fetching", message: "Stored “A”", percent: 3 });
  });

  it("has a stage for each step", () => {
    const ids = stages.map(({ id }) => id);
    expect(ids).toContain(stageOf("extracting_id"));
    expect(stageOf("stored")).toBe(ids.at(-1));
    expect(stageOf("unheard-of")).toBeNull();
    expect(stageOf(null)).toBeNull();
  });
});
