// @vitest-environment node
import * as fc from "fast-check";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { Connection } from "../src/core/connection.js";
import "../src/eventsource.js";
import { streamEvents } from "../src/index.js";
import "../src/poll.js";
import "../src/ws.js";
import { LogStore } from "../src/core/store.js";
import type { JobOutcome, StreamEvent, StreamMode } from "../src/types.js";
import { log } from "./support/fakes.js";
import { serveLog, turn } from "./support/logServer.js";

// The user's functions do anything, at any event. Each run has the same cases.
const SAME = { seed: 1, numRuns: 120 };

let reported: unknown[];
beforeEach(() => {
  reported = [];
  vi.stubGlobal("reportError", (error: unknown) => reported.push(error));
  vi.spyOn(Math, "random").mockReturnValue(0); // no wait between attempts
});

const logOf = (count: number): StreamEvent[] => [...Array.from({ length: count }, (_, index) => log(`${index + 1}`, index)), { event: "done", t: count, status: "completed" }];

/** What a function does in its `nth` call (from 0). */
interface Deed<Act> {
  readonly at: "onEvent" | "onOpen" | "formatEvent" | "headers" | "signUrl" | "onJobId" | "onEnd";
  readonly nth: number;
  readonly act: Act;
}

const sizes = fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 3 });
const counts = fc.nat(14);

describe("a stream whose functions throw, close and reconnect", () => {
  const act = fc.constantFrom("throw" as const, "close" as const, "reconnect" as const);
  const often = fc.constantFrom("onEvent" as const, "formatEvent" as const);
  const deeds = fc.array(fc.oneof({ weight: 3, arbitrary: fc.record({ at: often, nth: fc.nat(16), act }) }, fc.record({ at: fc.constant("onOpen" as const), nth: fc.nat(2), act })), { maxLength: 6 });
  const quiet = fc.array(fc.record({ at: fc.constantFrom("headers" as const, "signUrl" as const), nth: fc.nat(3), act }), { maxLength: 2 });

  it.each<StreamMode>(["sse", "eventsource", "poll", "ws"])("tells each event once, reports each error once, and does what it is told, by %s", async (mode) => {
    await fc.assert(
      fc.asyncProperty(counts, sizes, deeds, quiet, async (count, batches, some, others) => {
        const events = logOf(count);
        const server = serveLog(events, batches);
        const all: Deed<"throw" | "close" | "reconnect">[] = [...some, ...others];
        reported.length = 0;
        const told: (number | null)[] = [];
        const faults: string[] = [];
        const calls = new Map<string, number>();
        let closed = false;
        let begun = 1;
        let thrown = 0;
        let refused = 0;

        const store = new LogStore();
        const setState = vi.spyOn(store, "setState");
        const reconnect = (): void => {
          closed = false;
          begun += 1;
          connection.reconnect();
        };
        const called = (at: Deed<never>["at"]): void => {
          const nth = calls.get(at) ?? 0;
          calls.set(at, nth + 1);
          if (closed) faults.push(`${at} after close()`);
          const deed = all.find((one) => one.at === at && one.nth === nth);
          if (deed?.act === "reconnect") reconnect();
          if (deed?.act === "close") {
            closed = true;
            connection.close();
          }
          if (deed?.act === "throw") {
            // Without credentials it tries again later: the state shows that.
            if (at === "headers" || at === "signUrl") refused += 1;
            else thrown += 1;
            throw new Error(`${at} ${nth}`);
          }
        };
        const connection = new Connection({ url: "http://test/log/j/stream", mode, method: "GET", credentials: "same-origin" }, store, () => ({
          interval: 0,
          headers: () => {
            called("headers");
            return {};
          },
          signUrl: (url) => {
            called("signUrl");
            return url;
          },
          onOpen: () => called("onOpen"),
          formatEvent: (event) => {
            called("formatEvent");
            return event.message ?? null;
          },
          onEvent: (_, id) => {
            told.push(id);
            called("onEvent");
          },
        }));
        connection.start();
        for (let turns = 0; store.state.status !== "ended" && turns < 500; turns += 1) {
          await turn();
          if (!closed) continue;
          for (let more = 0; more < 5; more += 1) await turn();
          expect(server.held()).toBe(0);
          expect(store.state).toMatchObject({ status: "idle", active: false });
          reconnect();
        }
        connection.dispose();
        store.flush();

        expect(server.held()).toBe(0);
        expect(faults).toEqual([]);
        expect(told).toEqual(events.map((_, index) => index + 1));
        expect(store.getSnapshot().logs.map(({ text }) => text)).toEqual(events.slice(0, -1).map(({ message }) => message));
        expect(store.state).toMatchObject({ status: "ended", error: null });
        expect(reported).toHaveLength(thrown);
        expect(setState.mock.calls.filter(([{ retryAt, error }]) => retryAt !== null && error)).toHaveLength(refused);
        expect(mode === "poll" ? 0 : server.opened()).toBeLessThanOrEqual(begun);
      }),
      SAME,
    );
  });
});

describe("streamEvents", () => {
  const act = fc.constantFrom("throw" as const, "throw" as const, "close" as const);
  const once = fc.constantFrom("onOpen" as const, "onJobId" as const, "onEnd" as const); // called once, if at all
  const deeds = fc.array(fc.oneof(fc.record({ at: fc.constant("onEvent" as const), nth: fc.nat(12), act }), fc.record({ at: once, nth: fc.constant(0), act })), { maxLength: 4 });

  it("calls onEvent once for each event until it is closed, reports each error once, and sends one request", async () => {
    await fc.assert(
      fc.asyncProperty(counts, sizes, deeds, fc.boolean(), async (count, batches, all, post) => {
        const events = logOf(count).map((event, index) => (index === 0 ? { ...event, job_id: "j" } : event));
        const server = serveLog(events, batches);
        reported.length = 0;
        const told: (number | null)[] = [];
        const ends: unknown[] = [];
        const faults: string[] = [];
        const calls = new Map<string, number>();
        let closed = false;
        let thrown = 0;
        const called = (at: Deed<never>["at"]): void => {
          const nth = calls.get(at) ?? 0;
          calls.set(at, nth + 1);
          if (closed) faults.push(`${at} after close()`);
          const deed = all.find((one) => one.at === at && one.nth === nth);
          if (deed?.act === "close") {
            closed = true;
            handle.close();
          }
          if (deed?.act === "throw") {
            thrown += 1;
            throw new Error(`${at} ${nth}`);
          }
        };
        const handle = streamEvents("http://test/run/stream", {
          method: post ? "POST" : "GET",
          onOpen: () => called("onOpen"),
          onJobId: () => called("onJobId"),
          onEvent: (_, id) => {
            told.push(id);
            called("onEvent");
          },
          onEnd: (outcome: JobOutcome | null) => {
            ends.push(outcome);
            called("onEnd");
          },
          onError: (error) => ends.push(error),
        });
        const over = (): boolean => closed || ends.length > 0;
        for (let turns = 0; !over() && turns < 500; turns += 1) await turn();
        for (let more = 0; more < 5; more += 1) await turn();
        handle.close();

        const whole = events.map((_, index) => index + 1);
        expect(faults).toEqual([]);
        expect(told).toEqual(whole.slice(0, told.length));
        expect(ends).toEqual(told.length === whole.length && (ends.length > 0 || !closed) ? ["completed"] : []);
        expect(over()).toBe(true);
        expect(reported).toHaveLength(thrown);
        expect(server.opened()).toBeLessThanOrEqual(1);
      }),
      SAME,
    );
  });

  it("an error in onError is reported, once, and changes nothing", async () => {
    vi.stubGlobal("fetch", () => Promise.resolve(new Response(null, { status: 404 })));
    const fault = new Error("mine");
    const onError = vi.fn<() => void>(() => {
      throw fault;
    });
    streamEvents("http://test/run/stream", { onError });
    await vi.waitUntil(() => reported.length > 0, { interval: 5 });
    await turn();
    expect(onError).toHaveBeenCalledTimes(1);
    expect(reported).toEqual([fault]);
  });
});

describe("a subscriber that throws", () => {
  it("is reported; the stream and the other subscribers go on", async () => {
    const server = serveLog(logOf(5), [2]);
    const store = new LogStore();
    const fault = new Error("a page's own");
    const unsubscribe = store.subscribe(() => {
      throw fault;
    });
    const other = vi.fn<() => void>();
    store.subscribe(other);
    const connection = new Connection({ url: "http://test/log/j/stream", mode: "sse", method: "GET", credentials: "same-origin" }, store, () => ({ onEvent: () => store.flush() }));
    connection.start();
    await vi.waitUntil(() => store.state.status === "ended", { interval: 5 });
    expect(server.opened()).toBe(1);
    expect(other.mock.calls.length).toBe(reported.length);
    expect(new Set(reported)).toEqual(new Set([fault]));
    unsubscribe(); // nothing may be called after this test
  });
});
