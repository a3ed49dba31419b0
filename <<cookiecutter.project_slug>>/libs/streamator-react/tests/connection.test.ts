import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Connection } from "../src/core/connection.js";
import type { Target } from "../src/transport/transport.js";
import "../src/eventsource.js";
import "../src/poll.js";
import "../src/ws.js";
import { LogStore } from "../src/core/store.js";
import type { LogStreamOptions, StreamMode } from "../src/types.js";
import { fakeFetch, FakeEventSource, frame, log, type FakeFetch } from "./support/fakes.js";

let net: FakeFetch;
let store: LogStore;
let options: LogStreamOptions;
const open: Connection[] = [];

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "requestAnimationFrame", "cancelAnimationFrame", "performance", "Date"] });
  vi.spyOn(Math, "random").mockReturnValue(0.5);
  net = fakeFetch();
  FakeEventSource.made.length = 0;
  vi.stubGlobal("EventSource", FakeEventSource);
  options = {};
});

afterEach(() => {
  for (const connection of open.splice(0)) connection.dispose();
});

async function connect(change: Partial<Target> = {}): Promise<Connection> {
  store = new LogStore();
  const target: Target = { url: "/log/j/stream", mode: "sse", method: "GET", credentials: "same-origin", ...change };
  const connection = new Connection(target, store, () => options);
  open.push(connection);
  connection.start();
  await settle();
  return connection;
}

/** Lets promises and streams run without moving the clock. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
  store.flush();
}

/** Throws as browsers' EventSource and WebSocket do if the URL is not valid. */
function refuse(url: string): void {
  throw new SyntaxError(`no URL: ${url}`);
}

async function pass(milliseconds: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(milliseconds);
  await settle();
}

const texts = (): string[] => store.getSnapshot().logs.map(({ text }) => text);

describe("the states of a stream", () => {
  it("connecting, open, ended with the job's outcome", async () => {
    await connect();
    expect(store.getSnapshot()).toMatchObject({ status: "connecting", active: true });
    net.last().open();
    await settle();
    expect(store.getSnapshot()).toMatchObject({ status: "open", active: true, error: null });
    net.last().send(frame(1, log("one")) + frame(2, { event: "done", t: 1, status: "cancelled" }));
    await settle();
    expect(store.getSnapshot()).toMatchObject({ status: "ended", active: false, outcome: "cancelled" });
    expect(net.last().signal.aborted).toBe(true);
    await pass(120_000);
    expect(net.requests).toHaveLength(1);
  });

  it("opens one tick late, and not at all when disposed within the tick", async () => {
    store = new LogStore();
    const connection = new Connection({ url: "/s", mode: "sse", method: "GET", credentials: "same-origin" }, store, () => options);
    connection.start();
    expect(net.requests).toHaveLength(0);
    connection.dispose();
    await settle();
    expect(net.requests).toHaveLength(0);
  });

  it("reports retryAt, resumes and missed lines", async () => {
    await connect();
    net.last().open();
    net.last().send(frame(1, log("one")));
    await settle();
    expect(store.getSnapshot()).toMatchObject({ retryAt: null, resumes: 0, missed: 0 });
    net.last().drop();
    await settle();
    const { retryAt, status } = store.getSnapshot();
    expect(status).toBe("reconnecting");
    expect(retryAt).toBeGreaterThanOrEqual(Date.now());
    expect(retryAt).toBeLessThanOrEqual(Date.now() + 1000);
    await pass(1000);
    expect(store.getSnapshot()).toMatchObject({ status: "reconnecting", retryAt: null });
    net.last().open();
    net.last().send('data: {"event":"gap","missed":3}\n\ndata: {"event":"gap","missed":5}\n\n' + frame(7, log("seven")));
    await settle();
    expect(store.getSnapshot()).toMatchObject({ status: "open", retryAt: null, resumes: 1, missed: 5 });
  });

  it("a stream that ends without done reconnects from the last id, and nothing is shown twice", async () => {
    await connect();
    expect(net.last().headers.has("last-event-id")).toBe(false);
    net.last().open();
    net.last().send(frame(1, log("one")) + frame(2, log("two")));
    await settle();
    net.last().end();
    await settle();
    expect(store.getSnapshot()).toMatchObject({ status: "reconnecting", active: true, attempt: 1, error: null });
    await pass(500);
    expect(net.requests).toHaveLength(2);
    expect(net.last().headers.get("last-event-id")).toBe("2");
    net.last().open();
    net.last().send(frame(3, log("three")));
    await settle();
    expect(texts()).toEqual(["one", "two", "three"]);
    expect(store.getSnapshot()).toMatchObject({ status: "open", attempt: 0 });
  });

  it("204 is the end of a closed log", async () => {
    await connect();
    net.last().status(204);
    await settle();
    expect(store.getSnapshot()).toMatchObject({ status: "ended", active: false, outcome: null, error: null });
  });

  it("calls onEvent for each event in order, with its id, and goes on when it throws", async () => {
    const reported = vi.fn<(error: unknown) => void>();
    vi.stubGlobal("reportError", reported);
    const seen: unknown[] = [];
    options.onEvent = (event, id) => {
      seen.push([event.event, id]);
      if (id === 1) throw new Error("mine");
    };
    await connect();
    net.last().open();
    net.last().send(`${frame(1, { event: "progress", step: 1 })}data: {"event":"status","status":"lost"}\n\n${frame(2, { event: "done" })}`);
    await settle();
    expect(seen).toEqual([
      ["progress", 1],
      ["status", null],
      ["done", 2],
    ]);
    expect(reported).toHaveBeenCalledTimes(1);
    expect(store.getSnapshot()).toMatchObject({ status: "ended", outcome: null });
  });
});

describe("refusals", () => {
  it.each([
    [404, "gone"],
    [410, "gone"],
    [401, "denied"],
    [403, "denied"],
    [400, "rejected"],
    [422, "rejected"],
  ])("%i fails for good, as %s", async (status, kind) => {
    await connect();
    net.last().status(status);
    await settle();
    expect(store.getSnapshot()).toMatchObject({ status: "failed", active: false, error: { kind, status } });
    expect(store.getSnapshot().error?.message).toContain("/log/j/stream");
    await pass(120_000);
    expect(net.requests).toHaveLength(1);
  });

  it.each([
    [408, "server"],
    [500, "server"],
    [502, "server"],
    [503, "server"],
  ])("%i is tried again, as %s", async (status, kind) => {
    await connect();
    net.last().status(status);
    await settle();
    expect(store.getSnapshot()).toMatchObject({ status: "reconnecting", active: true, attempt: 1, error: { kind, status } });
    await pass(500);
    expect(net.requests).toHaveLength(2);
    net.last().open();
    await settle();
    expect(store.getSnapshot()).toMatchObject({ status: "open", error: null });
  });

  it("a refused connection is retried, as network", async () => {
    await connect();
    net.last().drop();
    await settle();
    expect(store.getSnapshot()).toMatchObject({ status: "reconnecting", error: { kind: "network" } });
  });

  it("waits as long as Retry-After says", async () => {
    await connect();
    net.last().status(503, { "retry-after": "20" });
    await pass(19_900);
    expect(net.requests).toHaveLength(1);
    await pass(200);
    expect(net.requests).toHaveLength(2);
  });

  it.each([
    ["FastAPI's own", { detail: "No such job: j" }, "No such job: j"],
    ["FastAPI's validation", { detail: [{ loc: ["query", "after"], msg: "Input should be a number", type: "int" }, { loc: ["body"], msg: "Field required" }] }, "query.after: Input should be a number; body: Field required"],
    ["problem details", { type: "about:blank", title: "Gone", status: 410, detail: "Job j was deleted." }, "Job j was deleted."],
    ["problem details that are only a title", { title: "Gone", status: 410 }, "Gone"],
    ["one without a sentence", { detail: [null, 7, {}], error: { code: 7 } }, undefined],
    ["no object", null, undefined],
  ])("are told in the server's own words, of a stream, a poll and an EventSource: %s", async (_, body, detail) => {
    for (const mode of ["sse", "poll", "eventsource"] as const) {
      await connect({ mode });
      if (mode === "eventsource") FakeEventSource.made.at(-1)?.fail(2);
      await settle();
      net.last().json(body, 410);
      await settle();
      expect(store.getSnapshot().error).toEqual({ kind: "gone", status: 410, message: expect.stringContaining("410"), detail });
    }
  });

  it("an answer that is no event stream fails and names its content type", async () => {
    await connect();
    net.last().html();
    await settle();
    expect(store.getSnapshot()).toMatchObject({ status: "failed", error: { kind: "protocol" } });
    expect(store.getSnapshot().error?.message).toContain("text/html");
  });
});

describe("a URL that nothing can be fetched from", () => {
  const broken = ["http://[", "foo://server/log/j/stream", "mailto:me", "javascript:alert(1)", "http://a b/stream", "file:///log/j/stream"];

  it.each(broken.flatMap((url) => (["sse", "eventsource", "poll", "ws"] as const).map((mode) => [url, mode] as const)))("%s fails at once, by %s", async (url, mode) => {
    const connection = await connect({ url, mode });
    expect(store.getSnapshot()).toMatchObject({ status: "failed", active: false, error: { kind: "rejected", message: expect.stringContaining(url) } });
    connection.reconnect();
    await pass(60_000);
    expect(store.getSnapshot().status).toBe("failed");
    expect(net.requests).toHaveLength(0);
    expect(() => connection.dispose()).not.toThrow();
  });

  it("may have credentials, which the error does not show", async () => {
    for (const mode of ["sse", "eventsource", "poll"] as const) {
      await connect({ url: "http://user:secret@other.example/log/j/stream", mode });
      expect(store.getSnapshot()).toMatchObject({ status: "failed", error: { kind: "rejected", message: expect.stringContaining("http://other.example/log/j/stream cannot") } });
    }
  });

  it.each(["eventsource", "ws"] as const)("fails at once where it is signUrl's, by %s", async (mode) => {
    vi.stubGlobal("EventSource", refuse);
    vi.stubGlobal("WebSocket", refuse);
    options.signUrl = () => "http://[";
    await connect({ mode });
    expect(store.getSnapshot()).toMatchObject({ status: "failed", active: false, error: { kind: "rejected" } });
  });

  it.each(["sse", "poll"] as const)("is none in a srcdoc frame, where a relative one begins at the base of the page around it, by %s", async (mode) => {
    const page = { href: "about:srcdoc", origin: "null", protocol: "about:" };
    vi.stubGlobal("location", page);
    vi.spyOn(document, "baseURI", "get").mockReturnValue("https://around.example/app/");
    await connect({ mode, url: "log/j/stream" });
    expect(net.requests).toHaveLength(1);
    expect(store.getSnapshot().status).toBe("connecting");
  });

  it("is fine if it has the scheme of the app's own page, as in Electron or Capacitor", async () => {
    vi.stubGlobal("location", { href: "app://main/index.html", origin: "app://main", protocol: "app:" });
    vi.spyOn(document, "baseURI", "get").mockReturnValue("app://main/index.html");
    await connect();
    expect(net.requests).toHaveLength(1);
  });
});

describe("a server that has no room for another stream", () => {
  it("68: is polled at once", async () => {
    await connect();
    net.last().status(429, { "retry-after": "20" });
    await settle();
    expect(net.requests.map(({ url }) => url)).toEqual(["/log/j/stream", "/log/j"]);
    net.last().json({ logs: [log("one")], next: 1, closed: false });
    await settle();
    expect(store.getSnapshot()).toMatchObject({ status: "open", error: null });
    await pass(3000);
    expect(net.last().url).toBe("/log/j?after=1");
    net.last().json({ logs: [log("two"), { event: "done", status: "completed" }], next: 3, closed: true });
    await settle();
    expect(texts()).toEqual(["one", "two"]);
    expect(store.getSnapshot()).toMatchObject({ status: "ended", outcome: "completed" });
  });

  it("streams again after reconnect()", async () => {
    const connection = await connect();
    net.last().status(429);
    await settle();
    connection.reconnect();
    await settle();
    expect(net.last().url).toBe("/log/j/stream");
  });

  it("if it refuses polls, too, the next attempt waits as long as it says", async () => {
    await connect();
    net.last().status(429);
    await settle();
    net.last().status(429, { "retry-after": "20" });
    await settle();
    expect(store.getSnapshot()).toMatchObject({ status: "reconnecting", error: { kind: "busy", status: 429 } });
    await pass(19_900);
    expect(net.requests).toHaveLength(2);
    await pass(200);
    expect(net.requests).toHaveLength(3);
  });

  it("without a poll route the stream is retried", async () => {
    await connect();
    net.last().status(429);
    await settle();
    net.last().status(405);
    await settle();
    expect(net.last().url).toBe("/log/j/stream");
    net.last().status(429);
    await settle();
    expect(store.getSnapshot()).toMatchObject({ status: "reconnecting", attempt: 1 });
    await pass(500);
    net.last().open();
    await settle();
    expect(store.getSnapshot()).toMatchObject({ status: "open", error: null });
  });
});

describe("credentials that are refused", () => {
  const tokens = (): (string | null)[] => net.requests.map(({ headers }) => headers.get("authorization"));

  it("are asked for again at once; the second refusal is final", async () => {
    options.headers = (refused) => ({ authorization: refused ? "new" : "old" });
    await connect();
    net.last().status(401);
    await settle();
    expect(tokens()).toEqual(["old", "new"]);
    expect(store.getSnapshot()).toMatchObject({ status: "connecting", error: null });
    net.last().status(401);
    await settle();
    expect(store.getSnapshot()).toMatchObject({ status: "failed", error: { kind: "denied", status: 401 } });
    await pass(120_000);
    expect(net.requests).toHaveLength(2);
  });

  it("get another chance after each accepted attempt", async () => {
    options.headers = (refused) => ({ authorization: refused ? "new" : "old" });
    await connect();
    net.last().status(401);
    await settle();
    net.last().open();
    net.last().send(frame(1, log("one")));
    await settle();
    net.last().end(); // the token has expired
    await pass(500);
    net.last().status(401);
    await settle();
    expect(tokens()).toEqual(["old", "new", "old", "new"]);
    expect(net.last().headers.get("last-event-id")).toBe("1");
    net.last().open();
    net.last().send(frame(2, log("two")));
    await settle();
    expect(texts()).toEqual(["one", "two"]);
  });

  it("refused during polling lose no line and report nothing", async () => {
    options.headers = (refused) => ({ authorization: refused ? "new" : "old" });
    await connect({ mode: "poll" });
    net.last().json({ logs: [log("one")], next: 1, closed: false });
    await pass(3000);
    net.last().status(401);
    await settle();
    expect(net.last().headers.get("authorization")).toBe("new");
    expect(store.getSnapshot()).toMatchObject({ status: "open", error: null });
    net.last().json({ logs: [log("two")], next: 2, closed: false });
    await settle();
    expect(texts()).toEqual(["one", "two"]);
  });

  it("refused while polling in place of a stream are asked for again, too", async () => {
    options.headers = (refused) => ({ authorization: refused ? "new" : "old" });
    await connect();
    net.last().status(429);
    await settle();
    net.last().status(401);
    await settle();
    expect(net.requests.map(({ url, headers }) => [url, headers.get("authorization")])).toEqual([
      ["/log/j/stream", "old"],
      ["/log/j", "old"],
      ["/log/j", "new"],
    ]);
    net.last().json({ logs: [log("one")], next: 1, closed: false });
    await pass(3000);
    expect(net.last().url).toBe("/log/j?after=1");
    expect(texts()).toEqual(["one"]);
  });

  it("refused twice while polling in place of a stream are final: a stream would be refused, too", async () => {
    await connect();
    net.last().status(429);
    await settle();
    net.last().status(403);
    await settle();
    expect(store.getSnapshot()).toMatchObject({ status: "failed", error: { kind: "denied", status: 403 } });
    expect(net.requests).toHaveLength(2);
  });

  it("that never change are not tried again", async () => {
    options.headers = { authorization: "old" };
    await connect();
    net.last().status(401);
    await settle();
    expect(store.getSnapshot()).toMatchObject({ status: "failed", error: { kind: "denied" } });
    expect(net.requests).toHaveLength(1);
  });

  it("that cannot be fetched now are asked for later", async () => {
    options.headers = () => Promise.reject(new Error("offline"));
    await connect();
    expect(store.getSnapshot()).toMatchObject({ status: "reconnecting", error: { kind: "network" } });
    options.headers = () => ({ authorization: "new" });
    await pass(500);
    expect(tokens()).toEqual(["new"]);
  });
});

describe("backoff", () => {
  it("doubles up to 30 s, with full jitter", async () => {
    await connect();
    for (const [index, limit] of [1, 2, 4, 8, 16, 30, 30].entries()) {
      net.last().drop();
      await settle();
      expect(store.getSnapshot().attempt).toBe(index + 1);
      await pass(limit * 500 - 1);
      expect(net.requests).toHaveLength(index + 1);
      await pass(2);
      expect(net.requests).toHaveLength(index + 2);
    }
  });

  it("starts from the server's retry", async () => {
    await connect();
    net.last().open();
    net.last().send("retry: 3000\n: ok\n\n");
    await settle();
    net.last().end();
    await pass(1499);
    expect(net.requests).toHaveLength(1);
    await pass(2);
    expect(net.requests).toHaveLength(2);
  });

  it("starts over after a connection that lasted, even a silent one", async () => {
    await connect();
    net.last().drop();
    await pass(500);
    net.last().drop();
    await pass(1000);
    expect(store.getSnapshot().attempt).toBe(2);
    net.last().open();
    await pass(11_000);
    net.last().end();
    await settle();
    expect(store.getSnapshot().attempt).toBe(1);
  });

  it("ends when the browser comes online", async () => {
    await connect();
    net.last().drop();
    await settle();
    window.dispatchEvent(new Event("online"));
    await settle();
    expect(net.requests).toHaveLength(2);
    await pass(30_000);
    expect(net.requests).toHaveLength(2);
  });
});

describe("the watchdog", () => {
  it("reconnects when no byte came for 45 s; heartbeats keep it quiet", async () => {
    await connect();
    net.last().open();
    await settle();
    for (let beat = 0; beat < 5; beat += 1) {
      await pass(40_000);
      net.last().send(": heartbeat\n\n");
      await settle();
    }
    expect(store.getSnapshot().status).toBe("open");
    await pass(45_000);
    expect(store.getSnapshot()).toMatchObject({ status: "reconnecting", error: { kind: "timeout" } });
    expect(net.requests[0]?.signal.aborted).toBe(true);
  });

  it("also ends an attempt that gets no answer", async () => {
    await connect();
    await pass(45_000);
    expect(store.getSnapshot()).toMatchObject({ status: "reconnecting", error: { kind: "timeout" } });
  });

  it("can be turned off", async () => {
    options.timeout = 0;
    await connect();
    net.last().open();
    await pass(3_600_000);
    expect(store.getSnapshot().status).toBe("open");
  });
});

describe("a lost job", () => {
  const lost = 'data: {"event":"status","status":"lost"}\n\n';
  const running = 'data: {"event":"status","status":"running"}\n\n';

  it("is lost, and open again when its process is back", async () => {
    await connect();
    net.last().open();
    net.last().send(frame(1, log("one")) + lost);
    await settle();
    expect(store.getSnapshot()).toMatchObject({ status: "lost", active: true });
    net.last().send(running);
    await settle();
    expect(store.getSnapshot()).toMatchObject({ status: "open", active: true });
    expect(texts()).toEqual(["one"]);
  });

  it("a job's own event named status does not count", async () => {
    await connect();
    net.last().open();
    net.last().send(frame(1, { event: "status", status: "lost", t: 0.1 }));
    await settle();
    expect(store.getSnapshot()).toMatchObject({ status: "open" });
    expect(store.cursor).toBe("1");
  });

  it("stays lost when its stream ends, without a retry", async () => {
    await connect();
    net.last().open();
    net.last().send(lost);
    await settle();
    net.last().end();
    await settle();
    expect(store.getSnapshot()).toMatchObject({ status: "lost", active: false });
    await pass(120_000);
    expect(net.requests).toHaveLength(1);
  });

  it("reconnects when the connection breaks", async () => {
    await connect();
    net.last().open();
    net.last().send(lost);
    await settle();
    net.last().drop();
    await settle();
    expect(store.getSnapshot()).toMatchObject({ status: "reconnecting", active: true });
  });
});

describe("a log that started over", () => {
  it("is shown whole, after a line that says so", async () => {
    await connect();
    net.last().open();
    net.last().send(frame(1, log("old 1")) + frame(2, log("old 2")) + frame(3, log("old 3")));
    await settle();
    net.last().drop();
    await pass(500);
    net.last().open();
    net.last().send(frame(1, log("new 1")) + frame(2, log("new 2")));
    await settle();
    expect(texts()).toEqual(["old 1", "old 2", "old 3", expect.stringContaining("started anew"), "new 1", "new 2"]);
    net.last().drop();
    await pass(500);
    expect(net.last().headers.get("last-event-id")).toBe("2");
  });
});

describe("a server that replays the log from its first event", () => {
  it("shows nothing twice, and the job is over at the end of the replay", async () => {
    const connection = await connect();
    const first = frame(1, log("one")) + frame(2, log("two", 0.1));
    net.last().open();
    net.last().send(first);
    await settle();
    net.last().drop();
    await pass(500);
    net.last().open();
    net.last().send(first);
    await settle();
    net.last().send(frame(3, { event: "done", t: 1, status: "completed" }));
    await settle();
    expect(texts()).toEqual(["one", "two"]);
    expect(store.getSnapshot()).toMatchObject({ status: "ended", outcome: "completed" });
    connection.reconnect();
    await settle();
    net.last().open();
    net.last().send(first + frame(3, { event: "done", t: 1, status: "completed" }));
    await settle();
    expect(texts()).toEqual(["one", "two"]);
    expect(store.getSnapshot()).toMatchObject({ status: "ended", outcome: "completed" });
  });

  it("from 0: the first event is there, once", async () => {
    await connect();
    net.last().open();
    net.last().send(frame(0, log("zero")) + frame(1, log("one")) + frame(1, log("one more")));
    await settle();
    net.last().drop();
    await pass(500);
    expect(net.last().headers.get("last-event-id")).toBe("1");
    net.last().open();
    net.last().send(frame(2, log("two")));
    await settle();
    expect(texts()).toEqual(["zero", "one", "one more", "two"]);
  });
});

describe("how the cursor is sent", () => {
  const asked = (): unknown[] => net.requests.map(({ url, headers }) => [url, headers.get("last-event-id")]);

  async function resume(url: string, id: string, answers: readonly ("drop" | "open")[]): Promise<void> {
    await connect({ url });
    net.last().open();
    net.last().send(`id: ${id}\ndata: {}\n\n`);
    await settle();
    net.last().drop();
    await pass(500);
    for (const answer of answers) {
      net.last()[answer]();
      if (answer === "open") net.last().end();
      await pass(30_000);
    }
  }

  it.each([
    ["7-0", "/s", "7-0"],
    ["é 1", "/s", "é 1"],
    ["目1", "/s?after=%E7%9B%AE1", null],
    ["a\u0001b", "/s?after=a%01b", null],
    [" a", "/s?after=+a", null],
    ["a ", "/s?after=a+", null],
    ["😀", "/s?after=%F0%9F%98%80", null],
  ])("%j is sent in a header if one can hold it", async (id, url, header) => {
    await resume("/s", id, []);
    expect(asked().at(-1)).toEqual([url, header]);
    expect(store.getSnapshot().error).toMatchObject({ kind: "network" }); // of the broken stream: the next request has no answer yet
  });

  it("another origin that may forbid the header gets each way in turn, until one is answered", async () => {
    await resume("https://other.example/s", "1", ["drop", "drop", "drop", "open"]);
    const [header, url] = [["https://other.example/s", "1"], ["https://other.example/s?after=1", null]];
    expect(asked()).toEqual([["https://other.example/s", null], header, url, header, url, url]);
  });

  it("the page's own origin always gets the header", async () => {
    await resume("/s", "1", ["drop", "drop"]);
    expect(asked()).toEqual([["/s", null], ["/s", "1"], ["/s", "1"], ["/s", "1"]]);
  });
});

describe("by hand", () => {
  it("close disconnects and keeps the lines; reconnect goes on after the last one", async () => {
    const connection = await connect();
    net.last().open();
    net.last().send(frame(1, log("one")));
    await settle();
    connection.close();
    await settle();
    expect(net.last().signal.aborted).toBe(true);
    expect(store.getSnapshot()).toMatchObject({ status: "idle", active: false });
    expect(texts()).toEqual(["one"]);
    connection.reconnect();
    await settle();
    expect(net.last().headers.get("last-event-id")).toBe("1");
  });

  it("reconnect after a failure tries again", async () => {
    const connection = await connect();
    net.last().status(404);
    await settle();
    connection.reconnect();
    await settle();
    net.last().open();
    await settle();
    expect(store.getSnapshot()).toMatchObject({ status: "open", active: true, error: null });
  });

  it("close during a wait cancels the next attempt", async () => {
    const connection = await connect();
    net.last().drop();
    await settle();
    connection.close();
    await pass(60_000);
    window.dispatchEvent(new Event("online"));
    await settle();
    expect(net.requests).toHaveLength(1);
  });
});

describe("requests", () => {
  it("carry headers, read at each attempt", async () => {
    let token = 0;
    options.headers = async () => ({ authorization: `Bearer ${++token}` });
    await connect();
    expect(net.last().headers.get("authorization")).toBe("Bearer 1");
    net.last().drop();
    await pass(500);
    expect(net.last().headers.get("authorization")).toBe("Bearer 2");
  });

  it("a POST is sent with its body, and not repeated by itself", async () => {
    options.body = '{"q":1}';
    await connect({ method: "POST", url: "/ask" });
    expect(net.last()).toMatchObject({ method: "POST", body: '{"q":1}' });
    net.last().open();
    net.last().send('event: progress\ndata: {"step":1,"message":"half"}\n\n');
    await settle();
    expect(store.getSnapshot().logs).toMatchObject([{ text: "half", event: "progress" }]);
    net.last().drop();
    await settle();
    expect(store.getSnapshot()).toMatchObject({ status: "failed", active: false, error: { kind: "interrupted" } });
    await pass(60_000);
    expect(net.requests).toHaveLength(1);
  });

  it("a POST is repeated with retry", async () => {
    options.retry = true;
    await connect({ method: "POST", url: "/ask" });
    net.last().drop();
    await pass(500);
    expect(net.requests).toHaveLength(2);
  });
});

describe("EventSource", () => {
  const latest = (): FakeEventSource => FakeEventSource.made.at(-1) as FakeEventSource;

  it("delivers events, and resumes by ?after= with a new EventSource", async () => {
    await connect({ mode: "eventsource", url: "/log/j/stream?x=1#h" });
    expect(latest().url).toBe("/log/j/stream?x=1#h");
    latest().open();
    latest().message(log("one"), "1");
    latest().message({ event: "status", status: "lost" }, "1"); // an EventSource repeats the id for events without one
    latest().message({ event: "status", status: "running" }, "1");
    await settle();
    expect(store.getSnapshot()).toMatchObject({ status: "open" });
    latest().fail(0);
    await pass(500);
    expect(FakeEventSource.made[0]?.readyState).toBe(2);
    expect(latest().url).toBe("/log/j/stream?x=1&after=1#h");
    latest().open();
    latest().message(log("two"), "2", "log");
    latest().message({ event: "done", status: "completed" }, "3");
    latest().fail(0);
    await settle();
    expect(texts()).toEqual(["one", "two"]);
    expect(store.getSnapshot()).toMatchObject({ status: "ended", outcome: "completed" });
  });

  it("gets its URL for each attempt from signUrl, with a ticket in place of headers", async () => {
    options.signUrl = async (url, refused) => `${url}?ticket=${refused ? "new" : "old"}`;
    await connect({ mode: "eventsource" });
    expect(latest().url).toBe("/log/j/stream?ticket=old");
    latest().fail(2);
    await settle();
    net.last().status(401);
    await settle();
    expect(latest().url).toBe("/log/j/stream?ticket=new");
    latest().open();
    latest().message(log("one"), "1");
    latest().fail(0);
    await pass(500);
    expect(latest().url).toBe("/log/j/stream?ticket=old&after=1");
    options.signUrl = () => Promise.reject(new Error("offline"));
    latest().fail(0);
    await settle();
    expect(store.getSnapshot()).toMatchObject({ status: "reconnecting" });
  });

  it("37: asks for the status that EventSource hides: 404 fails, 502 is retried", async () => {
    await connect({ mode: "eventsource" });
    latest().fail(2);
    await settle();
    net.last().status(502);
    await settle();
    expect(store.getSnapshot()).toMatchObject({ status: "reconnecting", error: { kind: "server", status: 502 } });
    await pass(500);
    latest().fail(2);
    await settle();
    net.last().status(404);
    await settle();
    expect(store.getSnapshot()).toMatchObject({ status: "failed", error: { kind: "gone" } });
  });

  it("has no watchdog: it cannot see heartbeats", async () => {
    await connect({ mode: "eventsource" });
    latest().open();
    await pass(600_000);
    expect(store.getSnapshot().status).toBe("open");
  });

  it("replaces fetch in browsers whose fetch cannot stream", async () => {
    vi.stubGlobal("ReadableStream", undefined);
    await connect();
    expect(FakeEventSource.made).toHaveLength(1);
    expect(net.requests).toHaveLength(0);
  });
});

describe("more streams than the browser has connections", () => {
  async function openMany(count: number): Promise<{ stores: LogStore[]; connections: Connection[] }> {
    const stores: LogStore[] = [];
    const connections: Connection[] = [];
    for (let index = 1; index <= count; index += 1) {
      stores.push(store);
      connections.push(await connect({ url: `/log/j${index}/stream`, mode: "sse" as StreamMode }));
      stores[index - 1] = store;
    }
    return { stores, connections };
  }

  it("38: the fifth polls, and goes on as a stream when a place is free", async () => {
    const { stores, connections } = await openMany(5);
    expect(net.requests.map(({ url }) => url)).toEqual(["/log/j1/stream", "/log/j2/stream", "/log/j3/stream", "/log/j4/stream", "/log/j5"]);
    net.last().json({ logs: [log("one"), log("two")], next: 2, closed: false });
    await settle();
    stores[4]?.flush();
    expect(stores[4]?.getSnapshot()).toMatchObject({ status: "open", active: true });
    connections[0]?.close();
    await settle();
    expect(net.last().url).toBe("/log/j5/stream");
    expect(net.last().headers.get("last-event-id")).toBe("2");
  });

  it("reports whether it polls", async () => {
    const { stores, connections } = await openMany(5);
    const polled = (): boolean[] => stores.map((each) => (each.flush(), each.getSnapshot().polled));
    expect(polled()).toEqual([false, false, false, false, true]);
    connections[2]?.close();
    await settle();
    expect(polled()[4]).toBe(false);
    await connect({ mode: "poll" });
    expect(store.getSnapshot().polled).toBe(true);
  });

  it("a poll in place of a stream asks for a new token when its own has expired, and goes on", async () => {
    const refusals: boolean[] = [];
    options = {
      headers: (refused) => {
        refusals.push(refused);
        return {};
      },
    };
    await openMany(5);
    net.last().status(401);
    await settle();
    expect(refusals.at(-1)).toBe(true);
    expect(net.last().url).toBe("/log/j5");
    net.last().json({ logs: [log("one")], next: 1, closed: false });
    await settle();
    expect(store.getSnapshot()).toMatchObject({ status: "open", polled: true, error: null });
  });

  it("over HTTP/2 all of them stream: one connection carries them", async () => {
    vi.spyOn(performance, "getEntriesByType").mockReturnValue([{ nextHopProtocol: "h2" } as PerformanceNavigationTiming]);
    const { stores } = await openMany(6);
    expect(net.requests.map(({ url }) => url)).toEqual(stores.map((_, index) => `/log/j${index + 1}/stream`));
  });

  it("a page in the back/forward cache holds no connection, and goes on when it is shown", async () => {
    await connect();
    net.last().open();
    net.last().send(frame(1, log("one")));
    await settle();
    globalThis.dispatchEvent(new Event("pagehide"));
    expect(net.last().signal.aborted).toBe(true);
    await pass(60_000);
    expect(net.requests).toHaveLength(1);
    globalThis.dispatchEvent(new Event("pageshow"));
    await settle();
    expect(net.requests).toHaveLength(2);
    expect(net.last().headers.get("last-event-id")).toBe("1");
  });

  it("a POST goes on without a place, but while it has one it counts", async () => {
    const posts = [];
    for (let index = 0; index < 5; index += 1) posts.push(await connect({ method: "POST" }));
    expect(net.requests.map(({ method }) => method)).toEqual(["POST", "POST", "POST", "POST", "POST"]);
    await connect({ url: "/log/late/stream" });
    expect(net.last().url).toBe("/log/late");
    posts[0]?.close();
    await settle();
    expect(net.last().url).toBe("/log/late/stream");
  });

  it("the fifth streams without a place if there is no poll route", async () => {
    await openMany(5);
    net.last().status(404);
    await settle();
    expect(net.last().url).toBe("/log/j5/stream");
    net.last().open();
    await settle();
    expect(store.getSnapshot()).toMatchObject({ status: "open", error: null });
  });
});
