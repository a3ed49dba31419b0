import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Connection } from "../src/core/connection.js";
import "../src/poll.js";
import { LogStore } from "../src/core/store.js";
import type { LogStreamOptions } from "../src/types.js";
import { fakeFetch, log, type FakeFetch } from "./support/fakes.js";

let net: FakeFetch;
let store: LogStore;
let options: LogStreamOptions;
let connection: Connection;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "requestAnimationFrame", "cancelAnimationFrame", "performance"] });
  vi.spyOn(Math, "random").mockReturnValue(0.5);
  net = fakeFetch();
  options = {};
  store = new LogStore();
});

afterEach(() => {
  connection.dispose();
});

async function start(url = "/log/j/stream"): Promise<void> {
  connection = new Connection({ url, mode: "poll", method: "GET", credentials: "same-origin" }, store, () => options);
  connection.start();
  await pass(0);
}

async function pass(milliseconds: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(milliseconds);
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
  store.flush();
}

async function answer(value: unknown): Promise<void> {
  net.last().json(value);
  await pass(0);
}

const texts = (): string[] => store.getSnapshot().logs.map(({ text }) => text);

describe("poll", () => {
  it("asks the snapshot route for what follows the last id, every interval", async () => {
    await start("/log/j/stream?token=t");
    expect(net.last().url).toBe("/log/j?token=t");
    await answer({ logs: [log("one"), log("two")], next: 2, closed: false });
    expect(store.getSnapshot()).toMatchObject({ status: "open", active: true });
    await pass(2999);
    expect(net.requests).toHaveLength(1);
    await pass(1);
    expect(net.last().url).toBe("/log/j?token=t&after=2");
    await answer({ logs: [], next: 2, closed: false });
    await pass(3000);
    await answer({ logs: [log("three")], next: 3, closed: false });
    expect(texts()).toEqual(["one", "two", "three"]);
    expect(store.getSnapshot().logs.map(({ id }) => id)).toEqual([1, 2, 3]);
  });

  it("takes another interval without a reconnect", async () => {
    await start();
    options.interval = 100;
    await answer({ logs: [], next: 0, closed: false });
    await pass(100);
    expect(net.requests).toHaveLength(2);
  });

  it("ends with the done event, and with closed", async () => {
    await start();
    await answer({ logs: [log("one"), { event: "done", status: "failed", t: 1 }], next: 2, closed: true });
    expect(store.getSnapshot()).toMatchObject({ status: "ended", active: false, outcome: "failed" });
    await pass(60_000);
    expect(net.requests).toHaveLength(1);
  });

  it("ends where the log is closed and nothing is new", async () => {
    await start();
    await answer({ logs: [], next: 0, closed: true });
    expect(store.getSnapshot()).toMatchObject({ status: "ended", active: false });
  });

  it("moves its cursor past events that are not for this viewer", async () => {
    await start();
    await answer({ logs: [log("one")], next: 1, closed: false });
    await pass(3000);
    await answer({ logs: [], next: 40, closed: false });
    await pass(3000);
    expect(net.last().url).toBe("/log/j?after=40");
    await answer({ logs: [log("two"), log("three")], next: 45, closed: false });
    await pass(3000);
    expect(net.last().url).toBe("/log/j?after=45");
    expect(texts()).toEqual(["one", "two", "three"]);
  });

  it("does not count gaps among the ids", async () => {
    await start();
    await answer({ logs: [{ event: "gap", missed: 7 }, log("eight"), log("nine")], next: 9, closed: false });
    expect(store.getSnapshot().logs.map(({ text, id }) => [text, id])).toEqual([
      ["7 lines missed", null],
      ["eight", 8],
      ["nine", 9],
    ]);
  });

  it("shows a log that started over between two polls", async () => {
    await start();
    await answer({ logs: [log("a"), log("b"), log("c")], next: 3, closed: false });
    await pass(3000);
    await answer({ logs: [log("x"), log("y")], next: 2, closed: false });
    expect(texts()).toEqual(["a", "b", "c", expect.stringContaining("started anew"), "x", "y"]);
    await pass(3000);
    expect(net.last().url).toBe("/log/j?after=2");
  });

  it("takes a server that sends the whole log each time", async () => {
    await start();
    await answer({ logs: [log("a"), log("b")] });
    await pass(3000);
    await answer({ logs: [log("a"), log("b"), log("c")] });
    await pass(3000);
    await answer({ logs: [log("a"), log("b"), log("c")] });
    expect(texts()).toEqual(["a", "b", "c"]);
    await pass(3000);
    await answer({ logs: [log("new")] });
    expect(texts().slice(3)).toEqual([expect.stringContaining("started anew"), "new"]);
  });

  it("retries after errors, and fails on 404", async () => {
    await start();
    net.last().status(502);
    await pass(0);
    expect(store.getSnapshot()).toMatchObject({ status: "reconnecting", error: { kind: "server", status: 502 } });
    await pass(500);
    await answer({ logs: [log("one")], next: 1, closed: false });
    expect(store.getSnapshot()).toMatchObject({ status: "open", error: null, attempt: 0 });
    await pass(3000);
    net.last().status(404);
    await pass(0);
    expect(store.getSnapshot()).toMatchObject({ status: "failed", error: { kind: "gone" } });
    expect(texts()).toEqual(["one"]);
  });

  it("reports an answer that is no snapshot", async () => {
    await start();
    await answer({ detail: "hello" });
    expect(store.getSnapshot()).toMatchObject({ status: "failed", error: { kind: "protocol" } });
  });

  it("aborts a poll that hangs, and polls again", async () => {
    await start();
    await pass(45_000);
    expect(store.getSnapshot()).toMatchObject({ status: "reconnecting", error: { kind: "timeout" } });
    expect(net.requests[0]?.signal.aborted).toBe(true);
  });

  it("a long interval does not trigger the watchdog", async () => {
    options.interval = 120_000;
    await start();
    await answer({ logs: [], next: 0, closed: false });
    await pass(119_000);
    expect(store.getSnapshot().status).toBe("open");
    expect(net.requests).toHaveLength(1);
  });
});
