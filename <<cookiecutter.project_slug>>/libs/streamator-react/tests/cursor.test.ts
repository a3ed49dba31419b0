// @vitest-environment node
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { replay } from "../src/transport/replay.js";
import { LogStore } from "../src/core/store.js";
import type { Incoming } from "../src/transport/event.js";
import { log } from "./support/fakes.js";

// Each run has the same cases, so that a failure is due to a change of the code.
const SAME = { seed: 1, numRuns: 300 };

const RESTARTED = "The log was started anew; the lines above are of an earlier run.";

/** Events by ids that never go back: from any first one, with repeats and holes. Now and then one without an id. */
const logs = fc.tuple(fc.nat(3), fc.array(fc.constantFrom(0, 0, 1, 1, 1, 2, 7, null), { maxLength: 40 })).map(([first, steps]) => {
  let id = first;
  return steps.map((step, index): Incoming => {
    if (step === null) return { id: null, event: log(`${index}`, index) };
    id += step;
    return { id: String(id), event: log(`${index}`, index) };
  });
});
/** How many events come on each connection, and in batches of how many. */
const cuts = fc.array(fc.nat(12), { maxLength: 12 });
const sizes = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 });

const numberOf = ({ id }: Incoming): number => (id === null ? -1 : Number(id));

function begun(): LogStore {
  const store = new LogStore();
  return store;
}

/** One connection: what the server sends on it. */
function connect(store: LogStore, sent: readonly Incoming[], batches: readonly number[], format?: () => null): string[] {
  store.resume(replay);
  const taken: string[] = [];
  for (let start = 0, turn = 0; start < sent.length; turn += 1) {
    const size = batches[turn % batches.length] ?? 1;
    store.append(sent.slice(start, start + size), format, undefined, ({ event }) => taken.push(String(event.message)));
    start += size;
  }
  return taken;
}

const texts = (store: LogStore): string[] => {
  store.flush();
  return store.getSnapshot().logs.map(({ text }) => text);
};

describe("a server that honours the cursor", () => {
  it("shows each event once, with any ids and any cuts", () => {
    fc.assert(
      fc.property(logs, cuts, sizes, (all, lengths, batches) => {
        const store = begun();
        const sent: string[] = [];
        for (const length of [...lengths, all.length]) {
          const { cursor } = store;
          const after = cursor === "" ? 0 : all.findLastIndex(({ id }) => id !== null && Number(id) <= Number(cursor)) + 1;
          const now = all.slice(after, after + length);
          // Events without an id, after the last one with an id, come again and are shown again: nothing identifies them.
          sent.push(...now.map(({ event }) => String(event.message)));
          connect(store, now, batches);
        }
        expect(texts(store)).toEqual(sent);
      }),
      SAME,
    );
  });

  it("shows the whole log after any number of cuts between ids", () => {
    fc.assert(
      fc.property(logs, cuts, sizes, (given, lengths, batches) => {
        const all = given.filter(({ id }) => id !== null);
        const store = begun();
        for (const length of [...lengths, all.length]) {
          const after = store.cursor === "" ? 0 : all.findLastIndex((one) => numberOf(one) <= Number(store.cursor)) + 1;
          let end = Math.min(all.length, after + length);
          while (end < all.length && end > after && all[end]?.id === all[end - 1]?.id) end += 1;
          connect(store, all.slice(after, end), batches);
        }
        expect(texts(store)).toEqual(all.map(({ event }) => event.message));
      }),
      SAME,
    );
  });

  it("on one connection ids may go back: nothing is lost", () => {
    const store = begun();
    connect(store, ["5", "3", "3", "0", "7", "x", "2"].map((id, index) => ({ id, event: log(`${index}`) })), [2]);
    expect(texts(store)).toHaveLength(7);
    expect(store.cursor).toBe("2"); // the last id that came, as in an EventSource
  });
});

describe("a server that ignores the cursor", () => {
  const numbered = (count: number, run = "a", from = 1): Incoming[] =>
    Array.from({ length: count }, (_, index) => ({ id: String(from + index), event: log(`${run}${from + index}`, index / 10) }));

  it.each([["lines", undefined], ["no lines", (): null => null]])("and replays all doubles nothing, wherever it is cut: %s", (_, format) => {
    fc.assert(
      fc.property(fc.nat(2), fc.nat(30), cuts, sizes, (from, count, lengths, batches) => {
        const all = numbered(count, "a", from);
        const store = begun();
        const taken: string[] = [];
        for (const length of [...lengths, count]) taken.push(...connect(store, all.slice(0, length), batches, format));
        expect(taken).toEqual(all.map(({ event }) => event.message));
      }),
      SAME,
    );
  });

  it("that replays only its newest events: nothing is shown twice", () => {
    const all = numbered(20);
    const store = begun();
    connect(store, all.slice(0, 12), [5]);
    connect(store, all.slice(6), [5]);
    expect(texts(store)).toEqual(all.map(({ event }) => event.message));
  });

  it("a log that started over is shown whole, wherever it begins to differ", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), fc.nat(19), fc.integer({ min: 1, max: 30 }), sizes, fc.boolean(), (old, same, fresh, batches, lines) => {
        const store = begun();
        const format = lines ? undefined : (): null => null;
        const before = numbered(old);
        connect(store, before, batches, format);
        const alike = Math.min(same, old - 1, fresh - 1);
        // Without lines to compare, the first and the last event decide, and the end of the job.
        const after = [...before.slice(0, alike), ...numbered(fresh, "b").slice(alike), { id: String(fresh + 1), event: { event: "done", message: "done" } }];
        const taken = connect(store, after, batches, format);
        expect(taken).toEqual(after.map(({ event }) => event.message));
        expect(lines ? texts(store) : [RESTARTED]).toContain(RESTARTED);
      }),
      SAME,
    );
  });

  it("tells a second restart from a replay after the first", () => {
    const store = begun();
    connect(store, numbered(5), [2]);
    connect(store, numbered(3, "b"), [2]);
    connect(store, numbered(4, "b"), [2]);
    connect(store, numbered(2, "c"), [2]);
    expect(texts(store)).toEqual(["a1", "a2", "a3", "a4", "a5", RESTARTED, "b1", "b2", "b3", "b4", RESTARTED, "c1", "c2"]);
  });

  it("a replay is still found after its old lines were dropped", () => {
    const all = numbered(30);
    const store = begun();
    for (const item of all.slice(0, 20)) store.append([item], undefined, 5);
    store.resume(replay);
    store.append(all, undefined, 5);
    expect(texts(store)).toEqual(["a26", "a27", "a28", "a29", "a30"]);
    expect(store.getSnapshot().dropped).toBe(25);
  });

  it("a long log that is replayed is compared in one pass", () => {
    // A search for each event would look at 20,000,000,000 lines.
    const all = numbered(200_000);
    const store = begun();
    connect(store, all, [1000]);
    expect(connect(store, all, [1000])).toEqual([]);
  });
});
