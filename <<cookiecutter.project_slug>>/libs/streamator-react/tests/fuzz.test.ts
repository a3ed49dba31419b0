// @vitest-environment node
import * as fc from "fast-check";
import { expect, it, vi } from "vitest";
import { LogStore } from "../src/core/store.js";
import type { Incoming } from "../src/transport/event.js";
import { fetchSse } from "../src/transport/fetchSse.js";
import { transport as poll } from "../src/transport/poll.js";
import type { AttemptEnd, Sink, StreamRequest, Transport } from "../src/transport/transport.js";
import { frame } from "./support/fakes.js";

// Each run has the same cases, so that a failure is due to a change of the code.
const SAME = { seed: 1, numRuns: 200 };

const request: StreamRequest = {
  url: "http://test/log/j/stream",
  mode: "sse",
  method: "GET",
  credentials: "same-origin",
  options: () => ({ interval: 0 }),
  cursor: () => "",
  names: [],
};

interface Read {
  readonly end: AttemptEnd;
  readonly events: readonly Incoming[];
  /** The last id that the transport passed to `seen`. */
  readonly seen: string | null;
}

/** What a transport reads from one answer. A second request gets no answer. */
async function read(transport: Transport, answer: () => Response): Promise<Read> {
  const abort = new AbortController();
  const events: Incoming[] = [];
  let seen: string | null = null;
  const sink: Sink = {
    open: () => undefined,
    alive: () => undefined,
    retry: () => undefined,
    events: (batch) => events.push(...batch),
    seen: (id) => (seen = id),
  };
  let asked = 0;
  vi.stubGlobal("fetch", () => {
    if (asked > 0) abort.abort();
    asked += 1;
    return Promise.resolve(answer());
  });
  const end = await transport(request, sink, abort.signal);
  return { end, events, seen };
}

/** A stream that delivers its bytes in pieces of these sizes, in turn. */
function streamOf(bytes: Uint8Array, sizes: readonly number[]): Response {
  let start = 0;
  let turn = 0;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (start >= bytes.length) {
        controller.close();
        return;
      }
      const size = sizes[turn % sizes.length] ?? bytes.length;
      controller.enqueue(bytes.slice(start, start + size));
      start += size;
      turn += 1;
    },
  });
  return new Response(body, { headers: { "content-type": "text/event-stream" } });
}

const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 });
const text = fc.string({ unit: "binary" });
const event = fc.tuple(text, fc.dictionary(text, fc.jsonValue({ stringUnit: "binary" }))).map(([name, fields]) => ({ ...fields, event: name }));

it("reads what the server encodes, cut anywhere, also within a character", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(event), sizes, async (told, cuts) => {
      const frames = told.map((each, index) => frame(index + 1, each));
      const bytes = new TextEncoder().encode(`retry: 3000\n: ok\n\n${frames.join(": heartbeat\n\n")}: heartbeat\nid: 99\n\n`);
      const { end, events, seen } = await read(fetchSse, () => streamOf(bytes, cuts));
      expect(end).toEqual({ kind: "end" });
      expect(seen).toBe("99");
      expect(events.map(({ id }) => id)).toEqual(told.map((_, index) => String(index + 1)));
      expect(events.map((each) => JSON.stringify(each.event))).toEqual(told.map((each) => JSON.stringify(each)));
    }),
    SAME,
  );
});

// Bytes that mean something to an event stream, among any others.
const marks = ["data:", "data", "id: 7\n", "id:\0\n", "event: e\n", "retry: 5\n", ": c\n", "\n", "\r", "\r\n", "\n\n", "\uFEFF", "é", "{", '{"event":1}'];
const bytes = fc
  .array(fc.oneof(fc.constantFrom(...marks).map((mark) => new TextEncoder().encode(mark)), fc.uint8Array({ maxLength: 4 })), { maxLength: 60 })
  .map((parts) => Uint8Array.from(parts.flatMap((part) => [...part])));

it("survives any bytes, however they are cut", async () => {
  await fc.assert(
    fc.asyncProperty(bytes, sizes, async (sent, cuts) => {
      const whole = await read(fetchSse, () => streamOf(sent, [sent.length]));
      expect(whole.end).toEqual({ kind: "end" });
      expect(whole.events.every((each) => typeof each.event.event === "string")).toBe(true);
      expect(await read(fetchSse, () => streamOf(sent, cuts))).toEqual(whole);
    }),
    SAME,
  );
});

it("survives any answer to a poll, and shows its events as text", async () => {
  const values = fc.jsonValue({ stringUnit: "binary" });
  const known = { event: text, message: values, level: values, t: values, missed: values, status: values };
  const entries = fc.array(fc.oneof(values, fc.record(known, { requiredKeys: [] })));
  const snapshots = fc.record({ logs: entries, next: values, closed: values }, { requiredKeys: ["logs"] });
  await fc.assert(
    fc.asyncProperty(fc.oneof(snapshots, values).map((value) => JSON.stringify(value)), async (body) => {
      const { events } = await read(poll, () => new Response(body));
      const store = new LogStore();
      store.append(events);
      store.flush();
      const { logs } = store.getSnapshot();
      expect(logs.every((entry) => typeof entry.text === "string" && typeof entry.t === "string" && Number.isFinite(entry.seconds))).toBe(true);
    }),
    SAME,
  );
});
