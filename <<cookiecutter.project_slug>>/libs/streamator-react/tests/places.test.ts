// @vitest-environment node
import * as fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import { FakeLocks, FakeTab, settle, type FakeStream } from "./support/locks.js";

let locks: FakeLocks;

beforeEach(() => {
  locks = new FakeLocks();
});

function tabs(count: number, options: { hidden?: boolean } = {}): FakeTab[] {
  return Array.from({ length: count }, () => new FakeTab(locks, options));
}

/** One stream in each tab, opened one after another. */
async function streamIn(...all: FakeTab[]): Promise<FakeStream[]> {
  const streams: FakeStream[] = [];
  for (const tab of all) {
    streams.push(tab.stream());
    await settle();
  }
  return streams;
}

const now = (streams: readonly FakeStream[]): (boolean | null | undefined)[] => streams.map(({ told }) => told.at(-1));

describe("places of all tabs of an origin", () => {
  it("are four", async () => {
    const streams = await streamIn(...tabs(12));
    expect(now(streams)).toEqual([true, true, true, true, ...Array.from({ length: 8 }, () => false)]);
  });

  it("are counted for each origin separately", async () => {
    await streamIn(...tabs(4));
    const [tab] = tabs(1) as [FakeTab];
    const other = tab.stream({ url: "http://api.test/log/1/stream" });
    await settle();
    expect(other.told).toEqual([true]);
  });

  it("a free one goes to the stream that has waited longest, in any tab", async () => {
    const streams = await streamIn(...tabs(7));
    streams[2]?.end();
    await settle();
    expect(now(streams)).toEqual([true, true, true, true, true, false, false]);
    streams[4]?.end();
    streams[0]?.end();
    await settle();
    expect(now(streams)).toEqual([true, true, true, true, true, true, true]);
    expect(streams.map(({ told }) => told.length)).toEqual([1, 1, 1, 1, 2, 2, 2]);
  });

  it("those of a tab that dies are free", async () => {
    const all = tabs(6);
    const streams = await streamIn(...all);
    all[1]?.die();
    await settle();
    expect(now(streams)).toEqual([true, true, true, true, true, false]);
  });

  it("are released by a stream that was aborted before it got one, as in React's StrictMode", async () => {
    const [tab] = tabs(1) as [FakeTab];
    const early = Array.from({ length: 6 }, () => tab.stream());
    for (const stream of early) stream.end();
    const late = tab.stream();
    await settle();
    expect(early.flatMap(({ told }) => told)).toEqual([]);
    expect(now([late])).toEqual([true]);
    late.end();
    await settle();
    expect(locks.held).toEqual([]);
    expect(locks.waiting).toBe(0);
  });
});

describe("a hidden page", () => {
  it("lends its place to a visible page, and takes one again when it is visible and one is free", async () => {
    const hidden = tabs(4, { hidden: true });
    const before = await streamIn(...hidden);
    expect(now(before)).toEqual([true, true, true, true]);
    const [first, second] = await streamIn(...tabs(2));
    expect([first?.told, second?.told]).toEqual([[false, true], [false, true]]);
    expect(now(before)).toEqual([false, false, true, true]); // the pages that were hidden first lend their places
    expect(before.map(({ told }) => told.length)).toEqual([2, 2, 1, 1]); // the other two did not pause

    first?.end();
    await settle();
    expect(now(before)).toEqual([false, false, true, true]); // hidden pages do not wait for a place
    hidden[0]?.show(true);
    await settle();
    expect(now(before)).toEqual([true, false, true, true]);
  });

  it("lends as many as are asked for in the same moment", async () => {
    const before = await streamIn(...tabs(4, { hidden: true }));
    const [page] = tabs(1) as [FakeTab];
    const streams = [page.stream(), page.stream(), page.stream()];
    await settle();
    expect(now(streams)).toEqual([true, true, true]);
    expect(now(before).filter(Boolean)).toHaveLength(1);
  });

  it("lends its place as soon as it is hidden, if a visible page waits", async () => {
    const all = tabs(5);
    const streams = await streamIn(...all);
    all[3]?.show(false);
    await settle();
    expect(now(streams)).toEqual([true, true, true, false, true]);
    all[0]?.show(false); // no page waits for a place
    await settle();
    expect(streams[0]?.told).toEqual([true]);
  });

  it("stops waiting for a place", async () => {
    const all = tabs(6);
    const streams = await streamIn(...all);
    all[4]?.show(false);
    await settle();
    streams[0]?.end();
    await settle();
    expect(now(streams)).toEqual([true, true, true, true, false, true]);
  });

  it("keeps the place of a stream that cannot poll", async () => {
    const [tab] = tabs(1, { hidden: true }) as [FakeTab];
    const posts = Array.from({ length: 4 }, () => tab.stream({ waits: false }));
    await settle();
    const [asks] = await streamIn(...tabs(1));
    expect(now([...posts, asks as FakeStream])).toEqual([true, true, true, true, false]);
  });
});

describe("a page that is left", () => {
  it("holds no lock in the back/forward cache, and takes a place when it is shown again", async () => {
    const all = tabs(5);
    const streams = await streamIn(...all);
    all[0]?.leave();
    expect(now(streams)[0]).toBeNull(); // at once: a page that is left runs no more code
    all[0]?.show(false); // browsers report this last
    await settle();
    expect(now(streams)).toEqual([null, true, true, true, true]);
    streams[1]?.end();
    all[0]?.comeBack();
    all[0]?.show(true);
    await settle();
    expect(now(streams)[0]).toBe(true);
  });

  it("stops waiting, and polls or waits again when it is shown", async () => {
    const all = tabs(6);
    const streams = await streamIn(...all);
    all[4]?.leave();
    streams[0]?.end();
    await settle();
    expect(now(streams)).toEqual([true, true, true, true, null, true]);
    all[4]?.comeBack();
    await settle();
    expect(streams[4]?.told).toEqual([false, null, false]);
  });

  it("the pageshow of a load does not count as coming back", async () => {
    const [tab] = tabs(1) as [FakeTab];
    const stream = tab.stream();
    tab.comeBack(); // `pageshow` comes with every load
    await settle();
    expect(stream.told).toEqual([true]);
  });
});

describe("a stream that cannot poll", () => {
  it("takes a place if one is free, and goes on without one otherwise", async () => {
    const all = tabs(6);
    await streamIn(...all.slice(0, 3));
    const posts = all.slice(3).map((tab) => tab.stream({ waits: false }));
    await settle();
    expect(now(posts).toSorted()).toEqual([false, false, true]);
    const [late] = await streamIn(...tabs(1));
    expect(now([late as FakeStream])).toEqual([false]); // the place of the POST counts
    for (const post of posts) post.end();
    await settle();
    expect(now([late as FakeStream])).toEqual([true]);
    expect(posts.every(({ told }) => told.length === 1)).toBe(true);
  });
});

describe("without Web Locks", () => {
  it.each([
    ["none", undefined],
    ["forbidden", { request: () => Promise.reject(new DOMException("Access to the Locks API is denied in this context.", "SecurityError")) }],
  ])("%s: the page counts for itself", async (_, manager) => {
    const tab = new FakeTab(locks);
    Object.assign(tab.page, { navigator: { locks: manager } });
    const streams = await streamIn(tab, tab, tab, tab, tab, tab);
    expect(now(streams)).toEqual([true, true, true, true, false, false]);
    streams[3]?.end();
    await settle();
    expect(now(streams)).toEqual([true, true, true, true, true, false]);
    streams[5]?.end();
    streams[0]?.end();
    tab.stream();
    await settle();
    expect(tab.streams.at(-1)?.told.at(-1)).toBe(true);
    tab.die();
    await settle();
  });
});

it("in any order of events at most four places are held, and none is free or lent while a visible page waits", async () => {
  const command = fc.record({
    tab: fc.nat(5),
    what: fc.constantFrom("open", "open", "open", "post", "close", "hide", "show", "leave", "back", "die"),
    waits: fc.boolean(), // for the locks to answer
  });
  await fc.assert(
    fc.asyncProperty(fc.array(command, { maxLength: 30 }), async (commands) => {
      locks = new FakeLocks();
      const all = tabs(6);
      const away = new Set<FakeTab>();
      const ended = new Set<FakeStream>();
      for (const { tab: index, what, waits } of commands) {
        const tab = all[index] as FakeTab;
        if (what === "open" || what === "post") {
          if (!away.has(tab)) tab.stream({ waits: what === "open" });
        } else if (what === "close") {
          const stream = tab.streams.findLast((one) => !ended.has(one));
          if (stream) ended.add(stream);
          stream?.end();
        } else if (what === "hide" || what === "show") tab.show(what === "show");
        else if (what === "leave") {
          tab.leave();
          away.add(tab);
        } else if (what === "back") {
          tab.comeBack();
          away.delete(tab);
        } else {
          tab.die();
          for (const stream of tab.streams) ended.add(stream);
          all[index] = new FakeTab(locks);
        }
        if (waits) await settle();
      }
      await settle();
      const places = locks.held.filter((name) => / \d$/.test(name)).length;
      expect(places).toBeLessThanOrEqual(4);
      const streams = all.flatMap((tab) => tab.streams.filter((one) => !ended.has(one)).map((stream) => ({ tab, waits: stream.waits, told: stream.told.at(-1) })));
      expect(streams.filter(({ told }) => told === true)).toHaveLength(places);
      expect(streams.filter(({ tab, waits, told }) => away.has(tab) && waits && told !== null)).toEqual([]);
      const inView = ({ tab }: { tab: FakeTab }): boolean => tab.document.visibilityState === "visible";
      const waiting = streams.filter((stream) => stream.waits && stream.told === false && inView(stream)).length;
      const lent = streams.filter((stream) => stream.waits && stream.told === true && !inView(stream)).length;
      expect({ waiting, idle: waiting && 4 - places, lent: waiting && lent }).toEqual({ waiting, idle: 0, lent: 0 });
      for (const tab of all) tab.die();
      await settle();
      expect(locks.held).toEqual([]);
      expect(locks.waiting).toBe(0);
    }),
    { numRuns: 60 },
  );
}, 60_000);
