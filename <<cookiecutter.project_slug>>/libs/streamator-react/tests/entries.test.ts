import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { LogSnapshot, LogStreamOptions } from "../src/index.js";
import { fakeFetch, FakeEventSource, type FakeFetch } from "./support/fakes.js";

let net: FakeFetch;
const sockets: string[] = [];
const leave: (() => void)[] = [];

beforeEach(() => {
  vi.resetModules(); // like a new page
  net = fakeFetch();
  sockets.length = FakeEventSource.made.length = 0;
  vi.stubGlobal("EventSource", FakeEventSource);
  vi.stubGlobal(
    "WebSocket",
    class extends EventTarget {
      constructor(url: string) {
        super();
        sockets.push(url);
      }
      close(): void {}
    },
  );
});

afterEach(() => {
  for (const stop of leave.splice(0)) stop();
  vi.doUnmock("../src/transport/poll.js");
});

const SLOW = { timeout: 10_000 };

async function follow(mode: LogStreamOptions["mode"]) {
  const { logStream } = await import("../src/core/index.js");
  const source = logStream("/log/j/stream", { mode });
  leave.push(source.subscribe(() => undefined));
  return source;
}

it("every mode works without an import of the user's: what reads it is loaded at first use", async () => {
  await follow("poll");
  await vi.waitFor(() => expect(net.requests.map(({ url }) => url)).toEqual(["/log/j"]), SLOW);
  await follow("ws");
  await vi.waitFor(() => expect(sockets).toEqual([expect.stringContaining("/log/j/ws")]), SLOW);
  await follow("eventsource");
  await vi.waitFor(() => expect(FakeEventSource.made.map(({ url }) => url)).toEqual(["/log/j/stream"]), SLOW);
});

it("a transport that loads too late is not used", async () => {
  const source = await follow("poll");
  await Promise.resolve(); // the attempt has begun
  source.close();
  await import("../src/poll.js");
  await new Promise((resolve) => {
    setTimeout(resolve);
  });
  expect(net.requests).toEqual([]);
});

it("a transport that cannot be loaded is a network error, and the message names the fix", async () => {
  vi.doMock("../src/transport/poll.js", () => {
    throw new Error("Failed to fetch dynamically imported module");
  });
  vi.spyOn(Math, "random").mockReturnValue(0.999); // a long wait: the test reads the first error before the second attempt
  const source = await follow("poll");
  const broken = await new Promise<LogSnapshot>((resolve) => {
    leave.push(
      source.subscribe(() => {
        if (source.getSnapshot().status === "reconnecting") resolve(source.getSnapshot());
      }),
    );
  });
  expect(broken).toMatchObject({ active: true, attempt: 1, error: { kind: "network" } });
  expect(broken.error?.message).toContain('import "streamator-react/poll" once');
});

it("a transport that the page imports is not loaded again", async () => {
  await import("../src/poll.js");
  vi.doMock("../src/transport/poll.js", () => {
    throw new Error("loaded");
  });
  const source = await follow("poll");
  await vi.waitFor(() => expect(net.requests).toHaveLength(1), SLOW);
  expect(source.getSnapshot()).toMatchObject({ status: "connecting", error: null });
});
