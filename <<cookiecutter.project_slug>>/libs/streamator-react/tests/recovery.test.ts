import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { LogSource, LogStreamOptions } from "../src/core/index.js";
import type { StreamError } from "../src/types.js";
import { fakeFetch, frame, log, type FakeFetch } from "./support/fakes.js";

const NOT_FOUND = new Error("Failed to fetch dynamically imported module");
const FIX = 'import "streamator-react/recovery" once';

let net: FakeFetch;
let loads = 0;
const leave: (() => void)[] = [];

beforeEach(() => {
  vi.resetModules(); // like a new page
  vi.spyOn(Math, "random").mockReturnValue(0); // no wait between attempts
  net = fakeFetch();
  loads = 0;
});

afterEach(() => {
  for (const stop of leave.splice(0)) stop();
  vi.doUnmock("../src/transport/recovery.js");
});

/** Replaces the dynamic import of the module. */
function chunk(load: () => Promise<unknown>): void {
  vi.doMock("../src/transport/recovery.js", async () => {
    loads += 1;
    await load();
    return vi.importActual("../src/transport/recovery.js");
  });
}

function overHttp2(): void {
  vi.spyOn(performance, "getEntriesByType").mockReturnValue([{ nextHopProtocol: "h2" } as PerformanceNavigationTiming]);
}

async function follow(options?: LogStreamOptions, url = "/log/j/stream"): Promise<LogSource> {
  const { logStream } = await import("../src/core/index.js");
  const source = logStream(url, options);
  leave.push(source.subscribe(() => undefined));
  return source;
}

const texts = (source: LogSource): string[] => source.getSnapshot().logs.map(({ text }) => text);

/** Waits with a timeout for busy machines. */
function until(holds: () => void): Promise<void> {
  return vi.waitFor(holds, { timeout: 10_000 });
}

async function requests(count: number): Promise<void> {
  await until(() => expect(net.requests).toHaveLength(count));
}

describe("the recovery module", () => {
  it("does not delay a first connection over HTTP/2, and is loaded meanwhile", async () => {
    overHttp2();
    chunk(() => new Promise(() => undefined));
    const source = await follow();
    await requests(1);
    net.last().open();
    net.last().send(frame(1, log("one")));
    await until(() => expect(texts(source)).toEqual(["one"]));
    expect(loads).toBe(1);
  });

  it.each([
    ["over HTTP/1.1, where connections are counted", "/log/j/stream"],
    ["over HTTP/2 to another origin, whose protocol nobody knows", "http://other.example/log/j/stream"],
  ])("is waited for %s", async (_, url) => {
    if (url.startsWith("http")) overHttp2();
    let arrive: ((value?: unknown) => void) | undefined;
    chunk(() => new Promise((resolve) => (arrive = resolve)));
    await follow({}, url);
    await until(() => expect(arrive).toBeDefined());
    expect(net.requests).toHaveLength(0);
    arrive?.();
    await requests(1);
  });

  it("over HTTP/2, too, a URL with credentials is refused", async () => {
    overHttp2();
    const source = await follow({}, location.origin.replace("//", "//user:secret@") + "/log/j/stream");
    await until(() => expect(source.getSnapshot()).toMatchObject({ status: "failed", error: { kind: "rejected" } }));
    expect(source.getSnapshot().error?.message).not.toContain("secret");
    expect(net.requests).toHaveLength(0);
  });

  it("is not loaded if the page imports it", async () => {
    await import("../src/recovery.js");
    chunk(() => Promise.reject(NOT_FOUND));
    await follow();
    await requests(1);
    expect(loads).toBe(0);
  });
});

describe.each(["HTTP/1.1", "HTTP/2"])("where it cannot be loaded, over %s", (protocol) => {
  beforeEach(() => {
    if (protocol === "HTTP/2") overHttp2();
  });

  it("the log goes on while its connection lasts, and later once it is loaded: nothing is lost or shown twice", async () => {
    let there = false;
    chunk(() => (there ? Promise.resolve() : Promise.reject(NOT_FOUND)));
    const source = await follow();
    await requests(1);
    net.last().open();
    net.last().send(frame(1, log("one")) + frame(2, log("two")));
    await until(() => expect(texts(source)).toEqual(["one", "two"]));
    expect(source.getSnapshot()).toMatchObject({ status: "open", error: null });

    net.last().drop();
    await until(() => expect(source.getSnapshot().attempt).toBeGreaterThan(3));
    expect(source.getSnapshot()).toMatchObject({ status: "reconnecting", active: true, error: { kind: "network" } });
    expect(source.getSnapshot().error?.message).toContain(FIX);
    expect(net.requests).toHaveLength(1); // without the module it cannot tell a replay from a new log

    there = true;
    await requests(2);
    expect(net.last().headers.get("last-event-id")).toBe("2");
    net.last().open();
    net.last().send(frame(1, log("one")) + frame(2, log("two")) + frame(3, log("three")));
    await until(() => expect(texts(source)).toEqual(["one", "two", "three"]));
    expect(source.getSnapshot()).toMatchObject({ status: "open", error: null });
  });

  it("a refusal is reported by its status, and retried", async () => {
    let there = false;
    chunk(() => (there ? Promise.resolve() : Promise.reject(NOT_FOUND)));
    const source = await follow();
    for (let count = 1; count < 4; count += 1) {
      await requests(count);
      net.last().json({ error: "not found" }, 404);
      await until(() => expect(source.getSnapshot()).toMatchObject({ attempt: count, error: { kind: "network", status: 404 } }));
      expect(source.getSnapshot().error?.message).toContain("/log/j/stream answered 404");
      expect(source.getSnapshot().error?.message).toContain(FIX);
    }
    there = true;
    await requests(4);
    net.last().json({ error: "not found" }, 404);
    await until(() => expect(source.getSnapshot()).toMatchObject({ status: "failed", error: { kind: "gone", status: 404, detail: "not found" } }));
    expect(net.requests).toHaveLength(4);
  });

  it("a job that is over is over", async () => {
    chunk(() => Promise.reject(NOT_FOUND));
    const source = await follow();
    await requests(1);
    net.last().status(204);
    await until(() => expect(source.getSnapshot()).toMatchObject({ status: "ended", active: false }));
  });

  it("a POST is not repeated", async () => {
    chunk(() => Promise.reject(NOT_FOUND));
    const { streamEvents } = await import("../src/core/index.js");
    const error = new Promise<StreamError>((resolve) => {
      leave.push(streamEvents("/run/stream", { method: "POST", onError: resolve }).close);
    });
    await requests(1);
    net.last().json({ detail: "no worker" }, 503);
    expect(await error).toMatchObject({ kind: "network", status: 503, message: expect.stringContaining("/run/stream answered 503") });
    expect(net.requests).toHaveLength(1);
  });
});

it("a job's error is reported by its status if the module cannot be loaded", async () => {
  chunk(() => Promise.reject(NOT_FOUND));
  const { JobRun } = await import("../src/job/jobRun.js");
  const run = new JobRun(null, { jobId: "a" });
  leave.push(() => run.detach());
  run.follow("a");
  const cancelled = run.cancel();
  await until(() => expect(net.requests.map(({ url }) => url)).toContain("/job/a/cancel"));
  net.requests.find(({ url }) => url === "/job/a/cancel")?.json({ detail: "too late" }, 409);
  await cancelled;
  expect(run.getSnapshot().error).toMatchObject({ kind: "cancel", status: 409, message: "/job/a/cancel answered 409." });
});
