import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Connection } from "../src/core/connection.js";
import "../src/poll.js";
import "../src/ws.js";
import { LogStore } from "../src/core/store.js";
import type { LogStreamOptions } from "../src/types.js";
import { fakeFetch, log, type FakeFetch } from "./support/fakes.js";

/** The server's side of one WebSocket. */
class FakeSocket extends EventTarget {
  static readonly opened: FakeSocket[] = [];
  readonly url: string;
  closed = false;

  constructor(url: string) {
    super();
    this.url = url;
    FakeSocket.opened.push(this);
  }

  close(): void {
    this.closed = true;
  }
}

let net: FakeFetch;
let store: LogStore;
let options: LogStreamOptions;
let connection: Connection;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "requestAnimationFrame", "cancelAnimationFrame", "performance"] });
  vi.spyOn(Math, "random").mockReturnValue(0.5);
  vi.stubGlobal("WebSocket", FakeSocket);
  FakeSocket.opened.length = 0;
  net = fakeFetch();
  options = {};
  store = new LogStore();
});

afterEach(() => {
  connection.dispose();
});

async function start(url = "/log/j/stream"): Promise<void> {
  connection = new Connection({ url, mode: "ws", method: "GET", credentials: "same-origin" }, store, () => options);
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

const last = (): FakeSocket => FakeSocket.opened.at(-1) as FakeSocket;

async function send(value: unknown): Promise<void> {
  const data = typeof value === "string" ? value : JSON.stringify(value);
  last().dispatchEvent(Object.assign(new Event("message"), { data }));
  await pass(0);
}

async function close(code: number): Promise<void> {
  last().dispatchEvent(Object.assign(new Event("close"), { code }));
  await pass(0);
}

const texts = (): string[] => store.getSnapshot().logs.map(({ text }) => text);

describe("ws", () => {
  it.each([
    ["/log/j/stream", /^ws:\/\/[^/]+\/log\/j\/ws$/],
    ["/log/j/stream?token=t#x", /^ws:\/\/[^/]+\/log\/j\/ws\?token=t$/],
    ["https://other.example/log/j/stream/", /^wss:\/\/other\.example\/log\/j\/ws$/],
    ["http://other.example:81/log/stream/stream", /^ws:\/\/other\.example:81\/log\/stream\/ws$/],
    ["wss://other.example/feed", /^wss:\/\/other\.example\/feed$/],
  ])("%s has its socket beside it", async (url, expected) => {
    await start(url);
    expect(last().url).toMatch(expected);
  });

  it("resolves a relative URL by the page's <base>", async () => {
    const base = document.head.appendChild(document.createElement("base"));
    base.href = "/app/";
    try {
      await start("log/j/stream");
      expect(last().url).toBe(`ws://${location.host}/app/log/j/ws`);
    } finally {
      base.remove();
    }
  });

  it("shows its events, and goes on after the last id when the connection breaks", async () => {
    await start();
    expect(store.getSnapshot().status).toBe("connecting");
    await send([]);
    expect(store.getSnapshot().status).toBe("open");
    await send([{ id: 1, event: log("one") }, { id: 2, event: log("two") }]);
    await close(1006);
    expect(store.getSnapshot()).toMatchObject({ status: "reconnecting", error: { kind: "network" } });
    await pass(1000);
    expect(last().url).toContain("?after=2");
    await send([]);
    await send([{ id: 2, event: log("two") }, { id: 3, event: log("three") }]);
    expect(texts().slice(-1)).toEqual(["three"]);
    expect(store.getSnapshot()).toMatchObject({ status: "open", resumes: 1 });
  });

  it("ends at the job's last event, and closes its side", async () => {
    await start();
    await send([]);
    await send([{ id: 1, event: log("one") }, { id: 2, event: { event: "done", status: "failed" } }]);
    await close(1000);
    expect(store.getSnapshot()).toMatchObject({ status: "ended", active: false, outcome: "failed" });
    expect(last().closed).toBe(true);
  });

  it("ends when the server has nothing more", async () => {
    await start();
    await close(1000);
    expect(store.getSnapshot()).toMatchObject({ status: "ended", active: false });
  });

  it("an unknown job is gone, and was never open", async () => {
    const seen: string[] = [];
    store.subscribe(() => seen.push(store.getSnapshot().status));
    await start();
    await close(4404);
    expect(store.getSnapshot()).toMatchObject({ status: "failed", error: { kind: "gone", status: 404 } });
    expect(seen).not.toContain("open");
    await pass(60_000);
    expect(FakeSocket.opened).toHaveLength(1);
  });

  it.each([1012, 1001])("a server that stops (%d) is asked again without an error", async (code) => {
    await start();
    await send([]);
    await close(code);
    expect(store.getSnapshot()).toMatchObject({ status: "reconnecting", error: null });
    await pass(1000);
    expect(FakeSocket.opened).toHaveLength(2);
  });

  it("is retried if the server cannot read its store", async () => {
    await start();
    await close(1013);
    expect(store.getSnapshot()).toMatchObject({ status: "reconnecting", error: { kind: "server" } });
  });

  it("a socket that does not open asks the stream's route why, and fails if that is refused", async () => {
    await start();
    await close(1006);
    expect(net.last().url).toBe("/log/j/stream");
    net.last().status(401);
    await pass(0);
    expect(store.getSnapshot()).toMatchObject({ status: "failed", error: { kind: "denied", status: 401 } });
  });

  it("a socket that does not open is retried if the stream's route answers", async () => {
    await start();
    await close(1006);
    net.last().open();
    await pass(0);
    expect(store.getSnapshot()).toMatchObject({ status: "reconnecting", error: { kind: "network" } });
    expect(store.getSnapshot().error?.message).toContain("proxy");
  });

  it("shows nothing for a heartbeat with the id of an event that is not for this viewer", async () => {
    await start();
    await send([{ id: 1, event: log("one") }]);
    await send([{ id: 7, event: null }]);
    expect(store.cursor).toBe("7");
    await send([{ id: 8, event: log("two") }, { id: null, event: { event: "status", status: "lost" } }]);
    expect(texts()).toEqual(["one", "two"]);
    expect(store.getSnapshot().status).toBe("lost");
  });

  it("heartbeats keep the connection alive; silence ends it", async () => {
    await start();
    await send([]);
    await pass(40_000);
    await send([]);
    await pass(40_000);
    expect(store.getSnapshot().status).toBe("open");
    await pass(5_000);
    expect(store.getSnapshot()).toMatchObject({ status: "reconnecting", error: { kind: "timeout" } });
    expect(FakeSocket.opened[0]?.closed).toBe(true);
  });

  it.each(["hello", '{"paused":true}'])("what no streamator server sends is an error of the protocol: %s", async (text) => {
    await start();
    await send(text);
    expect(store.getSnapshot()).toMatchObject({ status: "failed", error: { kind: "protocol" } });
  });

  it("takes none of the four places for streams", async () => {
    const more = Array.from({ length: 5 }, () => {
      const other = new LogStore();
      return new Connection({ url: "/log/j/stream", mode: "ws", method: "GET", credentials: "same-origin" }, other, () => ({}));
    });
    await start();
    for (const other of more) other.start();
    await pass(0);
    expect(FakeSocket.opened).toHaveLength(6);
    for (const other of more) other.dispose();
    expect(FakeSocket.opened.filter(({ closed }) => closed)).toHaveLength(5);
  });

  it("gets its URL for each attempt from signUrl, and a new one after a 4401", async () => {
    options.signUrl = async (url, refused) => `${url}?ticket=${refused ? "new" : "old"}`;
    await start();
    expect(last().url).toMatch(/\/log\/j\/ws\?ticket=old$/);
    await send([{ id: 1, event: log("one") }]);
    await close(4401);
    expect(last().url).toMatch(/\/log\/j\/ws\?ticket=new&after=1$/);
    expect(store.getSnapshot()).toMatchObject({ status: "open", error: null });
    await send([{ id: 2, event: log("two") }]);
    expect(texts()).toEqual(["one", "two"]);
    await close(4401);
    await close(4401); // the new URL is refused, too
    expect(store.getSnapshot()).toMatchObject({ status: "failed", error: { kind: "denied", status: 401 } });
  });

  it("fails if signUrl is refused for good, and else retries", async () => {
    options.signUrl = () => Promise.reject(Object.assign(new Error("busy"), { status: 503 }));
    await start();
    expect(store.getSnapshot()).toMatchObject({ status: "reconnecting", error: { kind: "server", status: 503 } });
    options.signUrl = () => Promise.reject(Object.assign(new Error("no such job"), { status: 404 }));
    await pass(500);
    expect(store.getSnapshot()).toMatchObject({ status: "failed", error: { kind: "gone", status: 404 } });
    expect(FakeSocket.opened).toHaveLength(0);
  });

  it("68: is replaced by polling if too many streams are open (4429)", async () => {
    await start();
    await close(4429);
    expect(net.last().url).toBe("/log/j");
    net.last().json({ logs: [log("one")], next: 1, closed: false });
    await pass(0);
    expect(texts()).toEqual(["one"]);
    expect(FakeSocket.opened).toHaveLength(1);
  });

  it("reports in the server's own words why it did not open", async () => {
    await start();
    await close(1006);
    net.last().json({ detail: "Not yours" }, 403);
    await pass(0);
    expect(store.getSnapshot().error).toMatchObject({ kind: "denied", status: 403, detail: "Not yours" });
  });

  it("asks by http(s) why a ws(s) URL did not open", async () => {
    await start("wss://other.example/log/j/stream");
    expect(last().url).toBe("wss://other.example/log/j/ws");
    await close(1006);
    expect(net.last().url).toBe("https://other.example/log/j/stream");
  });

  it("resolves its URL by the page around a srcdoc frame", async () => {
    vi.stubGlobal("location", { href: "about:srcdoc", origin: "null", protocol: "about:" });
    vi.spyOn(document, "baseURI", "get").mockReturnValue("https://around.example/app/");
    await start("log/j/stream");
    expect(last().url).toBe("wss://around.example/app/log/j/ws");
  });

  it("sends the headers when it asks why it did not open", async () => {
    options.headers = () => ({ authorization: "mine" });
    await start();
    await close(1006);
    expect(net.last().headers.get("authorization")).toBe("mine");
  });
});
