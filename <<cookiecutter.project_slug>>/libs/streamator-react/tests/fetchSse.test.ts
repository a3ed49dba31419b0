// @vitest-environment node
import type { ServerResponse } from "node:http";
import { afterEach, expect, it, vi } from "vitest";
import { Connection } from "../src/core/connection.js";
import { LogStore } from "../src/core/store.js";
import type { LogSnapshot, LogStreamOptions } from "../src/types.js";
import { frame, log } from "./support/fakes.js";
import { serve } from "./support/server.js";

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

function follow(url: string, options: LogStreamOptions = {}): LogStore {
  vi.spyOn(Math, "random").mockReturnValue(0); // no wait between attempts
  const store = new LogStore();
  const connection = new Connection({ url, mode: "sse", method: "GET", credentials: "same-origin" }, store, () => options);
  cleanups.push(() => connection.dispose());
  connection.start();
  return store;
}

async function until(store: LogStore, condition: (snapshot: LogSnapshot) => boolean): Promise<LogSnapshot> {
  await vi.waitUntil(
    () => {
      store.flush();
      return condition(store.getSnapshot());
    },
    { timeout: 10_000, interval: 5 },
  );
  return store.getSnapshot();
}

const stream = (response: ServerResponse): ServerResponse => response.writeHead(200, { "content-type": "text/event-stream" });

it("fifty breaks within events lose and repeat no line", async () => {
  const total = 1200;
  const frames = Array.from({ length: total }, (_, index) => Buffer.from(frame(index + 1, log(`Zeile ${index + 1} – 😀`))));
  const asked: number[] = [];
  const server = await serve((request, response) => {
    const after = Number(request.headers["last-event-id"] ?? 0);
    asked.push(after);
    stream(response).write("retry: 100\n: ok\n\n");
    const rest = Buffer.concat([...frames.slice(after), Buffer.from(frame(total + 1, { event: "done", status: "completed" }))]);
    // Each answer is a little longer and is cut anywhere: within a character, an id, a line end.
    const size = Math.min(rest.length, 400 + asked.length * 37);
    response.write(rest.subarray(0, size), () => {
      if (size === rest.length) response.end();
      else if (asked.length % 2 === 0) response.end();
      else setImmediate(() => response.destroy());
    });
  });
  cleanups.push(server.close);

  const { logs, outcome } = await until(follow(server.url), ({ status }) => status === "ended");
  expect(logs.map(({ id }) => id)).toEqual(Array.from({ length: total }, (_, index) => index + 1));
  expect(logs.at(-1)?.text).toBe(`Zeile ${total} – 😀`);
  expect(outcome).toBe("completed");
  expect(asked.length).toBeGreaterThan(50);
}, 30_000);

it("reconnects to a backend that restarts: 502 for a while, then the rest", async () => {
  let request = 0;
  let resumedFrom: unknown;
  const server = await serve((incoming, response) => {
    request += 1;
    if (request === 1) stream(response).end(frame(1, log("before")));
    else if (request < 4) response.writeHead(502).end();
    else {
      resumedFrom = incoming.headers["last-event-id"];
      stream(response).end(frame(2, log("after")) + frame(3, { event: "done", status: "completed" }));
    }
  });
  cleanups.push(server.close);
  const { logs, status } = await until(follow(server.url), (snapshot) => snapshot.status === "ended");
  expect(logs.map(({ text }) => text)).toEqual(["before", "after"]);
  expect({ status, resumedFrom }).toEqual({ status: "ended", resumedFrom: "1" });
});

it("01: a server that is gone and comes back without the job: gone", async () => {
  let request = 0;
  const server = await serve((_, response) => {
    request += 1;
    if (request === 1) stream(response).end(frame(1, log("one")));
    else response.writeHead(404, { "content-type": "application/json" }).end('{"error":"not found"}');
  });
  cleanups.push(server.close);
  const { status, error, logs } = await until(follow(server.url), (snapshot) => !snapshot.active);
  expect({ status, kind: error?.kind }).toEqual({ status: "failed", kind: "gone" });
  expect(logs).toHaveLength(1);
  expect(request).toBe(2);
});

it("a reconnect names the id of the last heartbeat, after events that are not for this viewer", async () => {
  const asked: (string | undefined)[] = [];
  const server = await serve((request, response) => {
    asked.push(request.headers["last-event-id"] as string | undefined);
    stream(response);
    if (asked.length === 1) response.end(`${frame(1, log("one"))}: heartbeat\nid: 42\n\n`);
    else response.end(frame(43, log("two")) + frame(44, { event: "done", status: "completed" }));
  });
  cleanups.push(server.close);

  const { logs } = await until(follow(server.url), ({ status }) => status === "ended");
  expect(asked).toEqual([undefined, "42"]);
  expect(logs.map(({ text }) => text)).toEqual(["one", "two"]);
});

it("a message cannot forge an event", async () => {
  const hostile = 'a\r\n\r\ndata: {"event":"done"}\n\nid: 99\u2028\0<img src=x onerror=alert(1)>';
  const server = await serve((_, response) => {
    stream(response).end(frame(1, log(hostile)) + frame(2, { event: "done", status: "completed" }));
  });
  cleanups.push(server.close);
  const { logs } = await until(follow(server.url), ({ status }) => status === "ended");
  expect(logs.map(({ text }) => text)).toEqual([hostile]);
});

it("lines that take long to show arrive in one stream where there is no MessageChannel, as in jsdom", async () => {
  vi.stubGlobal("MessageChannel", undefined);
  cleanups.push(() => vi.unstubAllGlobals());
  let shown = (): void => undefined;
  const isShown = new Promise<void>((resolve) => {
    shown = resolve;
  });
  const server = await serve(async (_, response) => {
    stream(response).write(frame(1, log("one")));
    await isShown;
    response.end(frame(2, { event: "done", status: "completed" }));
  });
  cleanups.push(server.close);
  const formatEvent = ({ message }: { message?: string }): string | null => {
    const start = performance.now();
    while (performance.now() - start < 20) continue;
    shown();
    return message ?? null;
  };
  const { logs, resumes } = await until(follow(server.url, { formatEvent }), ({ status }) => status === "ended");
  expect({ texts: logs.map(({ text }) => text), resumes }).toEqual({ texts: ["one"], resumes: 0 });
});

it("a burst of 20,000 lines arrives whole, in few publishes", async () => {
  const total = 20_000;
  const server = await serve((_, response) => {
    stream(response);
    for (let id = 1; id <= total; id += 1) response.write(frame(id, log(`line ${id}`)));
    response.end(frame(total + 1, { event: "done", status: "completed" }));
  });
  cleanups.push(server.close);
  const store = follow(server.url);
  let publishes = 0;
  store.subscribe(() => {
    publishes += 1;
  });
  await vi.waitUntil(() => store.getSnapshot().status === "ended", { timeout: 10_000, interval: 20 });
  expect(store.getSnapshot().logs.at(-1)).toMatchObject({ id: total, text: `line ${total}` });
  expect(store.getSnapshot().logs).toHaveLength(total);
  expect(publishes).toBeLessThan(100);
});
