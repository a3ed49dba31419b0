// @vitest-environment node
import { readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { logStream, makeFormatEvent, streamEvents, type LogSource, type LogStreamOptions } from "../src/core/index.js";
import { frame, log } from "./support/fakes.js";
import { serve } from "./support/server.js";

const src = join(import.meta.dirname, "../src");
const cleanups: (() => unknown)[] = [];

beforeEach(() => {
  vi.spyOn(Math, "random").mockReturnValue(0); // no wait between attempts
});

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

/** All modules that a module reaches by imports, also by later ones. Packages by their names. */
function reachable(path: string, seen = new Set<string>()): Set<string> {
  if (seen.has(path)) return seen;
  seen.add(path);
  for (const [, from, later] of readFileSync(path, "utf8").matchAll(/^(?:import|export)\b(?! type)[^"'`;=()]*"([^"]+)";|\bimport\("([^"]+)"\)/gm)) {
    const name = (from ?? later) as string;
    if (name.startsWith(".")) reachable(join(dirname(path), name.replace(/\.js$/, ".ts")), seen);
    else seen.add(join(src, "node_modules", name));
  }
  return seen;
}

it("the core imports no package, neither at once nor later", () => {
  const modules = [...reachable(join(src, "core/index.ts"))].map((path) => relative(src, path));
  expect(modules).toEqual(expect.arrayContaining(["core/connection.ts", "core/store.ts", "transport/fetchSse.ts", "transport/poll.ts", "transport/webSocket.ts"]));
  expect(modules.filter((name) => name.startsWith("node_modules"))).toEqual([]);
  expect([...reachable(join(src, "hooks/useJob.ts"))]).toContain(join(src, "node_modules/react")); // the walk would have found it
});

describe("without a DOM", () => {
  interface Server {
    readonly url: string;
    readonly requests: string[];
  }

  /** A server that sends two lines, and to a request after those the third and last one. The first stream is cut, or stays open. */
  async function jobServer(cut = true): Promise<Server> {
    const requests: string[] = [];
    const { url, close } = await serve((request, response) => {
      const id = String(request.headers["last-event-id"] ?? "");
      requests.push(`${request.url} ${id}`.trim());
      if (!request.url?.includes("/stream")) {
        const after = Number(new URL(request.url ?? "", "http://x").searchParams.get("after") ?? 0);
        const logs = [log("one"), log("two"), log("three"), { event: "done", status: "completed" }];
        response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ logs: logs.slice(after), next: 4, closed: true }));
        return;
      }
      response.writeHead(200, { "content-type": "text/event-stream" });
      if (id === "2") response.end(frame(3, log("three")) + frame(4, { event: "done", status: "completed" }));
      else response.write(frame(1, log("one")) + frame(2, log("two")));
      if (id === "" && cut) setTimeout(() => response.destroy(), 20);
    });
    cleanups.push(close);
    return { url: `${url}/log/j/stream`, requests };
  }

  function read(url: string, options: LogStreamOptions = {}): { source: LogSource; ended: Promise<void>; leave: () => void } {
    const source = logStream(url, options);
    let leave = (): void => undefined;
    const ended = new Promise<void>((resolve) => {
      leave = source.subscribe(() => {
        if (!source.getSnapshot().active) resolve();
      });
    });
    cleanups.push(leave);
    return { source, ended, leave };
  }

  const texts = (source: LogSource): string[] => source.getSnapshot().logs.map(({ text }) => text);

  it("this test has no DOM", () => {
    expect([typeof document, typeof location, typeof requestAnimationFrame, typeof window]).toEqual(["undefined", "undefined", "undefined", "undefined"]);
  });

  it.each(["sse", "poll"] as const)("a log is followed to its end by %s, over a cut", async (mode) => {
    const { url, requests } = await jobServer();
    const { source, ended } = read(url, { mode });
    expect(source.getSnapshot()).toMatchObject({ status: "connecting", active: true, logs: [], polled: false });
    await ended;
    expect(texts(source)).toEqual(["one", "two", "three"]);
    expect(source.getSnapshot()).toMatchObject({ status: "ended", outcome: "completed", polled: mode === "poll" });
    expect(requests).toEqual(mode === "poll" ? ["/log/j"] : ["/log/j/stream", "/log/j/stream 2"]);
  });

  it("connects with the first subscriber, disconnects with the last, and goes on with the next", async () => {
    const { url, requests } = await jobServer(false);
    const source = logStream(url);
    source.reconnect(); // without a subscriber
    await new Promise((resolve) => {
      setTimeout(resolve, 20);
    });
    expect(requests).toEqual([]);
    const first = new Promise<void>((resolve) => {
      const leave = source.subscribe(() => {
        if (source.getSnapshot().logs.length < 2) return;
        leave();
        resolve();
      });
    });
    await first;
    const ended = new Promise<void>((resolve) => {
      cleanups.push(source.subscribe(() => {
        if (!source.getSnapshot().active) resolve();
      }));
    });
    await ended;
    expect(texts(source)).toEqual(["one", "two", "three"]);
    expect(requests).toEqual(["/log/j/stream", "/log/j/stream 2"]);
    source.clear();
    expect(texts(source)).toEqual([]);
    cleanups.push(source.subscribe(() => undefined));
    expect(source.getSnapshot().status).toBe("ended"); // it is over
  });

  it("options may change in the given object", async () => {
    const { url } = await jobServer();
    const options: LogStreamOptions = { formatEvent: () => null };
    options.onEvent = ({ message }) => {
      if (message === "two") options.formatEvent = makeFormatEvent({ log: (event) => String(event.message).toUpperCase() });
    };
    const { source, ended } = read(url, options);
    await ended;
    expect(texts(source)).toEqual(["THREE"]);
  });

  it("close sets idle, and reconnect goes on", async () => {
    const { url } = await jobServer(false);
    const { source, ended } = read(url);
    await vi.waitFor(() => expect(texts(source)).toHaveLength(2), { timeout: 10_000 });
    source.close();
    await ended;
    expect(source.getSnapshot()).toMatchObject({ status: "idle", active: false });
    source.reconnect();
    await vi.waitFor(() => expect(source.getSnapshot().status).toBe("ended"), { timeout: 10_000 });
    expect(texts(source)).toEqual(["one", "two", "three"]);
  });

  it("events are read", async () => {
    const { url } = await jobServer();
    const heard: string[] = [];
    await new Promise((resolve) => {
      streamEvents(url, { onEvent: ({ event }) => heard.push(event), onEnd: resolve });
    });
    expect(heard).toEqual(["log", "log", "log", "done"]);
  });

  it("any number of streams may be open: only browsers limit connections", async () => {
    const { url, requests } = await jobServer();
    for (let index = 0; index < 7; index += 1) read(`${url}?n=${index}`);
    await vi.waitFor(() => expect(requests.filter((request) => /^\/log\/j\/stream\?n=\d$/.test(request))).toHaveLength(7), { timeout: 10_000 });
  });
});
