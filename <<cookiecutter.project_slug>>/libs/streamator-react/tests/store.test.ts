import { beforeEach, describe, expect, it, vi } from "vitest";
import { replay } from "../src/transport/replay.js";
import { makeFormatEvent } from "../src/core/formatEvent.js";
import { LogStore } from "../src/core/store.js";
import type { Incoming } from "../src/transport/event.js";
import type { StreamEvent } from "../src/types.js";
import { log } from "./support/fakes.js";

const line = (id: number | null, message: string, rest: object = {}): Incoming => ({
  id: id === null ? null : String(id),
  event: { ...log(message, id ?? 0), ...rest },
});

let store: LogStore;
const texts = (): string[] => store.getSnapshot().logs.map(({ text }) => text);

/** The events of a batch that the store takes as new. */
function taken(batch: readonly Incoming[]): Incoming[] {
  const items: Incoming[] = [];
  store.append(batch, undefined, undefined, (item) => items.push(item));
  return items;
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "requestAnimationFrame", "cancelAnimationFrame", "performance"] });
  store = new LogStore();
});


describe("the cursor", () => {
  it("moves past events that are not for this viewer, and never back", () => {
    store.append([line(3, "three")]);
    store.advance("9");
    expect(store.cursor).toBe("9");
    for (const id of ["7", "", "x"]) store.advance(id);
    expect(store.cursor).toBe("9");
    store.resume(replay);
    expect(taken([line(9, "again"), line(10, "ten")])).toHaveLength(1);
    expect(store.cursor).toBe("10");
  });
});

describe("publishing", () => {
  it("is one publish per animation frame, however many batches came in", () => {
    const listener = vi.fn<() => void>();
    store.subscribe(listener);
    for (let id = 1; id <= 100; id += 1) store.append([line(id, `${id}`)]);
    expect(listener).not.toHaveBeenCalled();
    vi.advanceTimersToNextFrame();
    expect(listener).toHaveBeenCalledTimes(1);
    expect(texts()).toHaveLength(100);
    vi.advanceTimersByTime(1000);
    expect(listener).toHaveBeenCalledTimes(1);
  });

  it("pauses for twice the render time of the last publish, at most 50 ms", async () => {
    let cost = 10;
    let id = 0;
    store.subscribe(() => {
      queueMicrotask(() => vi.advanceTimersByTime(cost)); // as React does, at the end of the task
    });
    const published = async (): Promise<number> => {
      store.append([line(id += 1, "x")]);
      const start = performance.now();
      const before = store.getSnapshot();
      while (store.getSnapshot() === before) vi.advanceTimersByTime(1);
      const waited = performance.now() - start;
      await Promise.resolve();
      await Promise.resolve();
      return waited;
    };
    await published();
    expect(await published()).toBeGreaterThanOrEqual(20);
    cost = 100;
    await published();
    const waited = await published();
    expect(waited).toBeGreaterThanOrEqual(50);
    expect(waited).toBeLessThan(100);
  });

  it("shows the end with the next frame, however long the last one took to render", async () => {
    store.subscribe(() => queueMicrotask(() => vi.advanceTimersByTime(100)));
    store.append([line(1, "x")]);
    vi.advanceTimersToNextFrame();
    await Promise.resolve();
    await Promise.resolve();
    store.append([line(2, "the last")]);
    store.setState({ ...store.state, status: "ended", active: false });
    vi.advanceTimersToNextFrame();
    expect(texts()).toEqual(["x", "the last"]);
  });

  it("comes within 250 ms if the page gets no frames", () => {
    vi.stubGlobal("requestAnimationFrame", () => 1);
    vi.stubGlobal("cancelAnimationFrame", () => undefined);
    store.append([line(1, "hidden")]);
    vi.advanceTimersByTime(249);
    expect(texts()).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(texts()).toEqual(["hidden"]);
  });

  it("never changes a published snapshot", () => {
    store.append([line(1, "one")]);
    store.flush();
    const before = store.getSnapshot();
    store.append([line(2, "two")]);
    store.flush();
    expect(before.logs.map(({ text }) => text)).toEqual(["one"]);
    expect(before.counts.info).toBe(1);
    expect(store.getSnapshot().logs[0]).toBe(before.logs[0]);
  });

  it("keeps the array if only the state changed", () => {
    store.append([line(1, "one")]);
    store.flush();
    const { logs } = store.getSnapshot();
    store.setState({ ...store.state, status: "reconnecting" });
    store.flush();
    expect(store.getSnapshot().status).toBe("reconnecting");
    expect(store.getSnapshot().logs).toBe(logs);
  });
});

describe("appending", () => {
  it("drops ids at or below the cursor of a resumed connection", () => {
    expect(taken([line(1, "one"), line(2, "two")])).toHaveLength(2);
    store.resume(replay);
    expect(taken([line(1, "one"), line(2, "two"), line(3, "three")])).toHaveLength(1);
    store.flush();
    expect(texts()).toEqual(["one", "two", "three"]);
    expect(store.cursor).toBe("3");
  });

  it("keeps events without an id, and ids that are not numbers", () => {
    store.append([line(null, "a"), { id: "x-1", event: log("b") }, line(null, "c")]);
    store.flush();
    expect(texts()).toEqual(["a", "b", "c"]);
    expect(store.cursor).toBe("x-1");
  });

  it("gives lines their text, time, level, id and number", () => {
    store.append([line(5, "careful", { level: "warning", t: 1.25 })]);
    store.flush();
    expect(store.getSnapshot().logs).toEqual([{ text: "careful", t: "1.3s", seconds: 1.25, level: "warning", id: 5, line: 1, event: "log" }]);
  });

  it("shows unknown levels as info", () => {
    store.append([line(1, "a", { level: "loud" })]);
    store.flush();
    expect(store.getSnapshot().logs[0]?.level).toBe("info");
  });

  it("gives lines their event, if it has more fields", () => {
    const events: StreamEvent[] = [
      log("plain", 1),
      { ...log("more", 2), user: "ada" },
      { ...log("worse", 3), level: "CRITICAL" },
      { event: "cache_hit", t: 4 },
      { event: "log", message: "timeless" },
    ];
    const hidden = log("formatted", 5);
    store.append(events.map((event, index) => ({ id: String(index + 1), event })));
    store.append([{ id: "6", event: hidden }], () => "other words");
    store.flush();
    const { logs } = store.getSnapshot();
    expect(logs[0]).not.toHaveProperty("payload"); // an absent field takes no memory
    const payloads = logs.map(({ payload }) => payload);
    const kept = [...events.slice(1), hidden];
    expect(payloads).toHaveLength(kept.length + 1);
    for (const [index, event] of kept.entries()) expect(payloads[index + 1]).toBe(event);
  });

  it("takes a formatter's time", () => {
    store.append([line(1, "one", { t: 7 })], () => ({ text: "x", t: 61.5 }));
    store.append([line(2, "two", { t: 8 })], () => ({ text: "x", t: Number.NaN }));
    store.flush();
    expect(store.getSnapshot().logs).toMatchObject([{ t: "61.5s", seconds: 61.5 }, { t: "8.0s", seconds: 8 }]);
  });

  it("takes the time since the view began if the event has none", () => {
    vi.advanceTimersByTime(2500);
    store.append([{ id: "1", event: { event: "log", message: "m" } }]);
    store.flush();
    expect(store.getSnapshot().logs[0]).toMatchObject({ t: "2.5s", seconds: 2.5 });
  });

  it("counts the lines by level", () => {
    store.append([line(1, "a"), line(2, "b", { level: "error" }), line(3, "c", { level: "error" }), line(4, "d", { level: "success" })]);
    store.flush();
    expect(store.getSnapshot().counts).toEqual({ info: 1, success: 1, warning: 0, error: 2 });
  });

  it("takes the formatter's text and level, and makes no line for null", () => {
    const format = makeFormatEvent({ a: () => ({ text: "A", level: "success" }), b: null });
    const events: StreamEvent[] = [{ event: "a" }, { event: "b", message: "hidden" }, { event: "progress", step: 1 }];
    store.append(
      events.map((event, index) => ({ id: String(index + 1), event })),
      format,
    );
    store.flush();
    expect(store.getSnapshot().logs).toMatchObject([{ text: "A", level: "success", event: "a" }]);
    expect(store.cursor).toBe("3");
  });

  it("goes on when the formatter throws: the message is shown, the error reported", () => {
    const reported = vi.fn<(error: unknown) => void>();
    vi.stubGlobal("reportError", reported);
    const fault = new Error("no such field");
    store.append([line(1, "one")], () => {
      throw fault;
    });
    store.flush();
    expect(texts()).toEqual(["one"]);
    expect(reported).toHaveBeenCalledWith(fault);
  });
});

describe("gaps", () => {
  it("are lines of level warning", () => {
    store.append([line(3, "x", { t: 7 }), { id: null, event: { event: "gap", missed: 12 } }, { id: "16", event: { event: "gap", missed: 1, t: 9 } }]);
    store.flush();
    expect(store.getSnapshot().logs.slice(1)).toMatchObject([
      { text: "12 lines missed", level: "warning", seconds: 7, event: "gap" },
      { text: "1 line missed", level: "warning", seconds: 9 },
    ]);
  });

  it("are shown even if the formatter hides them, in its words if it has any", () => {
    const gap = { id: null, event: { event: "gap", missed: 3 } };
    store.append([gap], () => null);
    store.append([line(1, "x"), gap], makeFormatEvent({ gap: (event) => `${String(event.missed)} Zeilen fehlen` }));
    store.flush();
    expect(store.getSnapshot().logs).toMatchObject([{ text: "3 lines missed", level: "warning" }, {}, { text: "3 Zeilen fehlen", level: "warning" }]);
  });

  it("are not shown twice when repeated after a reconnect", () => {
    store.append([{ id: null, event: { event: "gap", missed: 3 } }]);
    store.append([{ id: null, event: { event: "gap", missed: 5 } }]);
    store.append([line(6, "six")]);
    store.flush();
    expect(texts()).toEqual(["5 lines missed", "six"]);
    expect(store.getSnapshot().counts.warning).toBe(1);
  });
});

describe("the ring", () => {
  it("drops the oldest lines past the maximum, and counts them", () => {
    for (let id = 1; id <= 25; id += 1) store.append([line(id, `${id}`, { level: id === 1 ? "error" : "info" })], undefined, 10);
    store.flush();
    const { logs, dropped, counts } = store.getSnapshot();
    expect(logs).toHaveLength(10);
    expect(logs[0]).toMatchObject({ text: "16", line: 16 });
    expect(dropped).toBe(15);
    expect(counts).toEqual({ info: 10, success: 0, warning: 0, error: 0 });
  });

  it("handles an event past the maximum as fast as one before it", () => {
    // If each of these moved 200,000 lines, the test would take minutes.
    store.append(Array.from({ length: 200_000 }, (_, index) => line(index + 1, "x")));
    for (let id = 200_001; id <= 300_000; id += 1) store.append([line(id, "x")]);
    store.flush();
    const { logs, dropped } = store.getSnapshot();
    expect({ first: logs[0]?.id, last: logs.at(-1)?.id, dropped }).toEqual({ first: 100_001, last: 300_000, dropped: 100_000 });
  });

  it("never shows more than the maximum, whatever it is changed to", () => {
    let id = 0;
    for (const most of [10, 100, 3, 1, 50, 7]) {
      for (let count = 0; count < 60; count += 1) store.append([line((id += 1), "x", { level: id % 3 ? "info" : "error" })], undefined, most);
      store.flush();
      const { logs, counts, dropped } = store.getSnapshot();
      const kept = Array.from({ length: logs.length }, (_, index) => id - logs.length + index + 1);
      expect(logs.length).toBe(Math.min(most, 60 + (most === 50 ? 1 : most === 100 ? 10 : 0)));
      expect(logs.map((entry) => entry.id)).toEqual(kept);
      expect(dropped).toBe(id - logs.length);
      expect(counts).toMatchObject({ info: kept.filter((one) => one % 3).length, error: kept.filter((one) => one % 3 === 0).length });
    }
  });
});

describe("starting over", () => {
  it("clear forgets the lines and keeps the cursor", () => {
    store.append([line(1, "one"), line(2, "two")], undefined, 1);
    store.clear();
    expect(store.getSnapshot()).toMatchObject({ logs: [], dropped: 0, counts: { info: 0 } });
    store.resume(replay);
    store.append([line(2, "two"), line(3, "three")]);
    store.flush();
    expect(texts()).toEqual(["three"]);
  });

  it("a log that was started anew is shown whole, after a line that says so", () => {
    store.append([line(1, "old one"), line(2, "old two")]);
    store.resume(replay);
    store.append([line(1, "new one")]);
    store.flush();
    expect(texts()).toEqual(["old one", "old two", expect.stringContaining("started anew"), "new one"]);
    expect(store.cursor).toBe("1");
  });

  it("begins empty: connecting, or idle where there is no stream to connect to", () => {
    expect(new LogStore().getSnapshot()).toMatchObject({ logs: [], status: "connecting", active: true });
    expect(new LogStore().cursor).toBe("");
    expect(new LogStore(false).getSnapshot()).toMatchObject({ status: "idle", active: false });
  });
});
