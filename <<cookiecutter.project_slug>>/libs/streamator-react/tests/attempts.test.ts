// @vitest-environment node
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Connection } from "../src/core/connection.js";
import { LogStore } from "../src/core/store.js";
import "../src/eventsource.js";
import { streamEvents } from "../src/index.js";
import "../src/poll.js";
import "../src/recovery.js";
import "../src/ws.js";
import type { LogStreamOptions, StreamEvent, StreamMode } from "../src/types.js";
import { FakeEventSource, fakeFetch, frame, log, type FakeFetch } from "./support/fakes.js";
import { serveLog, turn } from "./support/logServer.js";

const MODES: readonly StreamMode[] = ["sse", "eventsource", "poll", "ws"];
const done = (status: string, t = 1): StreamEvent => ({ event: "done", status, t });
const attempt = (number: number, reason?: string): StreamEvent => ({ event: "attempt", attempt: number, ...(reason && { reason }), t: 0 });

/** A job that failed, was opened again, lost its worker, and completed. */
const LOG: readonly StreamEvent[] = [
  log("one", 0.5),
  { event: "checkpoint", data: { page: 1 }, t: 0.6 },
  done("failed", 0.7),
  attempt(2, "run again"),
  log("two", 0.1),
  attempt(3, "worker lost"),
  log("three", 0.2),
  done("completed", 0.3),
];
const LINES = ["one", "Attempt 2 - run again", "two", "Attempt 3 - worker lost", "three"];

let store: LogStore;
let connection: Connection;

function connect(mode: StreamMode = "sse", options: LogStreamOptions = {}): void {
  store = new LogStore();
  connection = new Connection({ url: "http://test/log/j/stream", mode, method: "GET", credentials: "same-origin" }, store, () => ({ interval: 0, ...options }));
  connection.start();
}

const ended = (): Promise<unknown> => vi.waitUntil(() => store.state.status === "ended", { interval: 1, timeout: 10_000 });

const texts = (): string[] => {
  store.flush();
  return store.getSnapshot().logs.map(({ text }) => text);
};

beforeEach(() => {
  vi.spyOn(Math, "random").mockReturnValue(0); // no wait between connections
});

afterEach(() => connection?.dispose());

describe("a late joiner of a log with several attempts", () => {
  it.each(MODES)("reads past a done in the middle, by %s, however it is cut", async (mode) => {
    for (const batches of [[1], [2], [3], [3, 1], [20]]) {
      const server = serveLog(LOG, batches);
      const states = new Set<string>();
      const told: (number | null)[] = [];
      connect(mode, { onEvent: (_, id) => told.push(id) });
      store.subscribe(() => states.add(`${store.state.status} ${store.state.active} ${store.state.outcome}`));
      await ended();
      expect(texts()).toEqual(LINES);
      expect(told).toEqual(LOG.map((_, index) => index + 1));
      expect(store.state).toMatchObject({ active: false, outcome: "completed", error: null });
      expect([...states].filter((state) => state.includes("failed") || state.startsWith("reconnecting"))).toEqual([]);
      expect(mode === "poll" ? 1 : server.opened()).toBe(1);
    }
  });

  it("has each line's attempt, its rule first, and no line for a checkpoint", async () => {
    serveLog(LOG, [3]);
    connect();
    await ended();
    store.flush();
    expect(store.getSnapshot().logs.map(({ attempt: number, event, seconds }) => [number, event, seconds])).toEqual([
      [undefined, "log", 0.5],
      [2, "attempt", 0],
      [2, "log", 0.1],
      [3, "attempt", 0],
      [3, "log", 0.2],
    ]);
  });

  it("shows an attempt whatever the formatter returns, in its words if it has some, and a checkpoint if it likes", async () => {
    serveLog([...LOG, attempt(1), { event: "attempt", message: "to log in" }, done("completed")], [20]);
    connect("sse", { formatEvent: ({ event, data, message }) => (event === "checkpoint" ? JSON.stringify(data) : (message ?? null)) });
    await ended();
    expect(texts()).toEqual(["one", '{"page":1}', ...LINES.slice(1), "to log in"]); // no attempts of the job: an event of its own

    connect("sse", { formatEvent: ({ event, attempt: number }) => (event === "attempt" ? { text: `Versuch ${String(number)}`, level: "warning" } : null) });
    await ended();
    expect(texts().slice(0, 2)).toEqual(["Versuch 2", "Versuch 3"]);
  });

  it("is told of its end once, after the last event", async () => {
    serveLog(LOG, [3]); // the first done ends a batch
    const onEnd = vi.fn<(outcome: unknown) => void>();
    const told: string[] = [];
    streamEvents("http://test/log/j/stream", { onEvent: ({ event }) => told.push(event), onEnd });
    await vi.waitUntil(() => onEnd.mock.calls.length > 0, { interval: 1 });
    for (let more = 0; more < 5; more += 1) await turn();
    expect(onEnd.mock.calls).toEqual([["completed"]]);
    expect(told).toHaveLength(LOG.length);
  });
});

describe("a viewer who is there", () => {
  let net: FakeFetch;

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "Date", "performance"] });
    net = fakeFetch();
  });

  afterEach(() => vi.useRealTimers());

  async function settle(milliseconds = 0): Promise<void> {
    await vi.advanceTimersByTimeAsync(milliseconds);
    for (let more = 0; more < 20; more += 1) await Promise.resolve();
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    store.flush();
  }

  async function open(text: string, more = false): Promise<void> {
    connect();
    await settle();
    net.last().open();
    net.last().send(text, more);
    await settle();
  }

  it("sees lost, then the next attempt, with no reload and no reconnect", async () => {
    await open(`${frame(1, log("one"))}data: {"event":"status","status":"lost"}\n\n`);
    expect(store.getSnapshot()).toMatchObject({ status: "lost", active: true });
    net.last().send(frame(40, attempt(2, "worker lost"))); // ids may jump
    await settle();
    expect(store.getSnapshot()).toMatchObject({ status: "open", active: true, resumes: 0, missed: 0 });
    net.last().send(frame(41, log("two")) + frame(42, done("completed")));
    await settle();
    expect(texts()).toEqual(["one", "Attempt 2 - worker lost", "two"]);
    expect(store.getSnapshot()).toMatchObject({ status: "ended", outcome: "completed" });
    expect(net.requests).toHaveLength(1);
  });

  it("stays at the end, until they reconnect: then the next attempt runs", async () => {
    await open(frame(1, log("one")) + frame(2, done("failed")));
    await settle(60_000);
    expect(store.getSnapshot()).toMatchObject({ status: "ended", active: false, outcome: "failed" });
    expect(net.requests).toHaveLength(1);
    connection.reconnect();
    await settle();
    expect(net.last().headers.get("last-event-id")).toBe("2");
    net.last().open();
    net.last().send(frame(3, attempt(2)));
    await settle();
    expect(store.getSnapshot()).toMatchObject({ status: "open", active: true, outcome: null });
    expect(texts()).toEqual(["one", "Attempt 2"]);
  });

  it("is at the end a second after a done that nothing follows, if the server keeps the stream open", async () => {
    await open(frame(1, done("completed")), true);
    await settle(999);
    expect(store.getSnapshot()).toMatchObject({ status: "open", active: true, outcome: null });
    await settle(1);
    expect(store.getSnapshot()).toMatchObject({ status: "ended", active: false, outcome: "completed" });
    expect(net.last().signal.aborted).toBe(true);
  });

  it("waits for no end while an attempt runs, nor after a gap that may hide one", async () => {
    await open(frame(1, done("failed")), true);
    net.last().send(frame(2, attempt(2)));
    await settle(20_000);
    expect(store.getSnapshot()).toMatchObject({ status: "open", active: true });
    net.last().send(`${frame(3, done("failed"))}data: {"event":"gap","missed":3}\n\n`);
    await settle(20_000);
    expect(store.getSnapshot()).toMatchObject({ status: "open", active: true });
  });

  it("is at the end if the connection breaks after done, and does not send a POST again", async () => {
    store = new LogStore();
    connection = new Connection({ url: "http://test/run/stream", mode: "sse", method: "POST", credentials: "same-origin" }, store, () => ({}));
    connection.start();
    await settle();
    net.last().open();
    net.last().send(frame(1, done("completed")), true);
    await settle();
    net.last().drop();
    await settle(60_000);
    expect(store.getSnapshot()).toMatchObject({ status: "ended", outcome: "completed", error: null });
    expect(net.requests).toHaveLength(1);
  });

  it.each([4, 100])("sees nothing twice if the server replays all attempts, in parts of %i characters", async (size) => {
    const frames = LOG.map((event, index) => frame(index + 1, event));
    await open(frames.slice(0, 6).join(""));
    net.last().drop();
    await settle(1_000);
    net.last().open();
    for (const part of frames.join("").match(new RegExp(`[^]{1,${size}}`, "g")) ?? []) {
      net.last().send(part, true);
      await settle();
    }
    net.last().end();
    await settle();
    expect(texts()).toEqual(LINES);
    expect(store.getSnapshot()).toMatchObject({ status: "ended", outcome: "completed" });
  });

  it("is told that another log began if that one ends before the cursor", async () => {
    await open(frame(1, log("one")) + frame(2, done("failed")) + frame(3, attempt(2)) + frame(4, log("two")));
    net.last().drop();
    await settle(1_000);
    net.last().open();
    net.last().send(frame(1, log("one")) + frame(2, log("new")) + frame(3, done("completed")));
    await settle();
    const restarted = "The log was started anew; the lines above are of an earlier run.";
    expect(texts()).toEqual(["one", "Attempt 2", "two", restarted, "one", "new"]);
    expect(store.getSnapshot().logs.map(({ attempt: number }) => number)).toEqual([undefined, 2, 2, undefined, undefined, undefined]);
  });
});

it("an EventSource hears of attempts and checkpoints by their names, too", async () => {
  vi.stubGlobal("EventSource", FakeEventSource);
  const told: string[] = [];
  connect("eventsource", { onEvent: ({ event }) => told.push(event) });
  await vi.waitUntil(() => FakeEventSource.made.length > 0, { interval: 1 });
  const source = FakeEventSource.made.at(-1);
  source?.open();
  source?.message(attempt(2), "1", "attempt");
  source?.message({ event: "checkpoint", data: 1 }, "2", "checkpoint");
  expect(told).toEqual(["attempt", "checkpoint"]);
});

describe("a poll", () => {
  it("goes on after a done if the server says that the log is open, and ends if it says nothing", async () => {
    const answers = [
      { logs: [log("one"), done("failed")], next: 2, closed: false }, // the rest is in the next answer
      { logs: [attempt(2), log("two"), done("completed")], next: 5 },
    ];
    vi.stubGlobal("fetch", () => Promise.resolve(Response.json(answers.shift())));
    connect("poll", { interval: 1_100 });
    await ended();
    expect(texts()).toEqual(["one", "Attempt 2", "two"]);
    expect(store.state).toMatchObject({ outcome: "completed" });
    expect(answers).toEqual([]);
  });
});
