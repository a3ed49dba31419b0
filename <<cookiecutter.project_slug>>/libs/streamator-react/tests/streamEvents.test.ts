// @vitest-environment node
import type { IncomingMessage, ServerResponse } from "node:http";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { streamEvents, type JobOutcome, type StreamError, type StreamEvent, type StreamEventsOptions } from "../src/index.js";
import { frame, log } from "./support/fakes.js";
import { serve } from "./support/server.js";

type Answer = (request: IncomingMessage, response: ServerResponse, count: number) => void;

const cleanups: (() => unknown)[] = [];

beforeEach(() => {
  vi.spyOn(Math, "random").mockReturnValue(0); // no wait between attempts
});

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

interface Heard {
  readonly events: StreamEvent[];
  readonly jobIds: string[];
  readonly ends: (JobOutcome | null)[];
  readonly errors: StreamError[];
  readonly requests: string[];
  readonly bodies: string[];
  readonly url: string;
  readonly close: () => void;
}

/** A stream, and the calls of its callbacks. */
async function listen(answer: Answer, options: StreamEventsOptions = {}): Promise<Heard> {
  const requests: string[] = [];
  const bodies: string[] = [];
  const server = await serve((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => {
      body += chunk.toString();
    });
    request.on("end", () => {
      bodies.push(body);
      requests.push(`${request.method} ${request.url} ${request.headers["last-event-id"] ?? ""}`.trim());
      answer(request, response, requests.length);
    });
  });
  cleanups.push(server.close);
  const heard = { events: [] as StreamEvent[], jobIds: [] as string[], ends: [] as (JobOutcome | null)[], errors: [] as StreamError[], requests, bodies, url: server.url };
  const { streamUrl } = options;
  const { close } = streamEvents(`${server.url}/run/stream`, {
    onEvent: (event) => heard.events.push(event),
    onJobId: (jobId) => heard.jobIds.push(jobId),
    onEnd: (outcome) => heard.ends.push(outcome),
    onError: (error) => heard.errors.push(error),
    ...options,
    streamUrl: streamUrl && ((jobId) => `${server.url}${streamUrl(jobId)}`),
  });
  cleanups.push(close);
  return { ...heard, close };
}

const over = (heard: Heard): Promise<void> => vi.waitUntil(() => heard.ends.length + heard.errors.length > 0, { timeout: 10_000, interval: 5 }).then(() => undefined);
const stream = (response: ServerResponse, headers: Record<string, string> = {}): ServerResponse => response.writeHead(200, { "content-type": "text/event-stream", ...headers });
const named = (id: number, name: string, data: object): string => `id: ${id}\nevent: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
const done = (id: number, status = "completed"): string => named(id, "done", { event: "done", status });
const post: StreamEventsOptions = { method: "post", body: '{"text":"x"}', headers: { "content-type": "application/json" } };

describe("streamEvents", () => {
  it("sends a POST and passes its events on, each by its name", async () => {
    const heard = await listen((_, response) => {
      stream(response).end(named(1, "progress", { step: "fetching", message: "m" }) + named(2, "complete", { type: "ingest", status: "success" }) + done(3));
    }, post);
    await over(heard);
    expect(heard.events).toEqual([
      { event: "progress", step: "fetching", message: "m" },
      { event: "complete", type: "ingest", status: "success" },
      { event: "done", status: "completed" },
    ]);
    expect(heard.requests).toEqual(["POST /run/stream"]);
    expect(heard.bodies).toEqual(['{"text":"x"}']);
    expect({ ends: heard.ends, errors: heard.errors }).toEqual({ ends: ["completed"], errors: [] });
  });

  it("reads unnamed events, and text that is no JSON", async () => {
    const heard = await listen((_, response) => stream(response).end(`${frame(1, { event: "stats", running: 2 })}event: note\ndata: plain\n\n${done(2, "failed")}`));
    await over(heard);
    expect(heard.events.slice(0, 2)).toEqual([
      { event: "stats", running: 2 },
      { event: "note", message: "plain" },
    ]);
    expect(heard.ends).toEqual(["failed"]);
  });

  it("a POST that breaks off goes on as the job's own stream, from the last event", async () => {
    const heard = await listen(
      (_, response, count) => {
        if (count === 1) stream(response, { "x-job-id": "job 1" }).write(named(1, "progress", { step: "a" }) + named(2, "progress", { step: "b" }), () => response.destroy());
        else if (count === 2) response.writeHead(502).end();
        else stream(response).end(frame(3, { event: "progress", step: "c" }) + frame(4, { event: "done", status: "completed" }));
      },
      { ...post, streamUrl: (jobId) => `/job/${encodeURIComponent(jobId)}/stream` },
    );
    await over(heard);
    expect(heard.requests).toEqual(["POST /run/stream", "GET /job/job%201/stream 2", "GET /job/job%201/stream 2"]);
    expect(heard.events.map(({ step }) => step)).toEqual(["a", "b", "c", undefined]);
    expect({ jobIds: heard.jobIds, ends: heard.ends, errors: heard.errors }).toEqual({ jobIds: ["job 1"], ends: ["completed"], errors: [] });
  });

  it("reads the job's id from an event without a header; later ids do not count", async () => {
    const heard = await listen((_, response) => {
      stream(response).end(named(1, "started", { job_id: "j1" }) + named(2, "child", { job_id: "j2" }) + done(3));
    }, post);
    await over(heard);
    expect(heard.jobIds).toEqual(["j1"]);
  });

  it("a POST that breaks off and names no job is an error, and is not sent again", async () => {
    const heard = await listen((_, response) => stream(response).write(named(1, "progress", {}), () => response.destroy()), { ...post, streamUrl: () => "/never" });
    await over(heard);
    expect(heard.errors).toMatchObject([{ kind: "interrupted", message: expect.stringContaining("POST") }]);
    expect(heard.requests).toHaveLength(1);
  });

  it("a refused POST reports the server's words, and is not sent again", async () => {
    const heard = await listen((_, response) => response.writeHead(429, { "content-type": "application/json" }).end('{"error":"8 jobs are running"}'), post);
    await over(heard);
    expect(heard.errors).toMatchObject([{ kind: "busy", status: 429, detail: "8 jobs are running", message: expect.stringContaining("answered 429") }]);
    expect(heard.requests).toHaveLength(1);
  });

  it("a GET that breaks reconnects silently from the last event", async () => {
    const heard = await listen((_, response, count) => {
      if (count === 1) stream(response).end(frame(1, log("one")));
      else stream(response).end(frame(2, log("two")) + done(3));
    });
    await over(heard);
    expect(heard.requests).toEqual(["GET /run/stream", "GET /run/stream 1"]);
    expect(heard.events.map(({ message }) => message)).toEqual(["one", "two", undefined]);
    expect(heard.ends).toEqual(["completed"]);
  });

  it("a relative URL is an error without a page", async () => {
    const error = await new Promise<StreamError>((resolve) => {
      streamEvents("/run/stream", { onError: resolve });
    });
    expect(error).toMatchObject({ kind: "rejected", message: expect.stringContaining("/run/stream cannot be asked for") });
  });

  it("a job that is gone is an error, once", async () => {
    const heard = await listen((_, response) => response.writeHead(404).end());
    await over(heard);
    expect(heard.errors).toMatchObject([{ kind: "gone", status: 404 }]);
    expect(heard.ends).toEqual([]);
  });

  it("a process that died for good is an error", async () => {
    const heard = await listen((_, response) => stream(response).end(`${frame(1, log("one"))}data: {"event":"status","status":"lost"}\n\n`));
    await over(heard);
    expect(heard.errors).toMatchObject([{ kind: "interrupted", message: expect.stringContaining("died") }]);
  });

  it("close() in the middle of a batch: nothing is called any more, and the connection closes", async () => {
    let left = false;
    const heard: Heard = await listen(
      (_, response) => {
        response.on("close", () => {
          left = true;
        });
        stream(response).write(frame(1, log("one")) + frame(2, log("two")) + frame(3, { event: "done" }));
      },
      {
        onEvent: (event) => {
          heard.events.push(event);
          heard.close();
        },
      },
    );
    await vi.waitUntil(() => left, { interval: 5 });
    expect(heard.events).toEqual([log("one")]);
    expect([...heard.ends, ...heard.errors]).toEqual([]);
  });

  it("an aborted signal does the same, also before the start", async () => {
    const controller = new AbortController();
    let left = false;
    const heard = await listen(
      (_, response) => {
        response.on("close", () => {
          left = true;
        });
        stream(response).write(frame(1, log("one")));
      },
      { signal: controller.signal },
    );
    await vi.waitUntil(() => heard.events.length === 1, { interval: 5 });
    controller.abort();
    await vi.waitUntil(() => left, { interval: 5 });
    expect([...heard.ends, ...heard.errors]).toEqual([]);

    const never = await listen((_, response) => response.writeHead(204).end(), { signal: controller.signal });
    await fetch(`${never.url}/other`); // a later request is answered: the stream would have been, too
    expect(never.requests).toEqual(["GET /other"]);
  });
});
