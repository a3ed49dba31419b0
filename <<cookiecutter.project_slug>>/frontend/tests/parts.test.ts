import { act, cleanup, renderHook } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { formatBytes, formatCount, formatDuration } from "../src/app/format";
import { href, match, usePath, useQuery } from "../src/app/router";

describe("formats", () => {
  it("gives sizes as the backend's log does", () => {
    expect([1, 999, 1000, 1_234_567, 20_000_000, 999_999].map(formatBytes)).toEqual([
      "1 byte", "999 bytes", "1 kB", "1.2 MB", "20 MB", "1 MB",
    ]);
  });

  it("gives durations that do not run backwards", () => {
    expect([-3, 0, 59.9, 65, 3600, 7385].map((seconds) => formatDuration(seconds))).toEqual(["0 s", "0 s", "59 s", "1 min 05 s", "1 h 00 min", "2 h 03 min"]);
    expect([0.04, 9.94, 9.96, 61].map((seconds) => formatDuration(seconds, true))).toEqual(["0.0 s", "9.9 s", "10 s", "1 min 01 s"]);
  });

  it("counts", () => {
    expect([formatCount(1, "word"), formatCount(0, "word"), formatCount(2, "entry", "entries")]).toEqual(["1 word", "0 words", "2 entries"]);
  });
});

describe("routes", () => {
  it("match with their values decoded, and whole paths only", () => {
    expect(match("/jobs/:id", "/jobs/a%2Fb")).toEqual({ id: "a/b" });
    expect(match("/", "/")).toEqual({});
    for (const path of ["/jobs", "/jobs/", "/jobs/a/b", "/documents/a", "/jobs/%"]) expect(match("/jobs/:id", path)).toBeNull();
  });

  it("have a query, which is no part of the path", () => {
    const address = href("/jobs/:id", { id: "a b" }, { line: "12", q: "a&b" });
    expect(address).toBe("#/jobs/a%20b?line=12&q=a%26b");
    const { result } = renderHook(() => ({ path: usePath(), line: useQuery("line"), q: useQuery("q"), other: useQuery("other") }));
    const goTo = (hash: string): void =>
      act(() => {
        location.hash = hash;
        globalThis.dispatchEvent(new HashChangeEvent("hashchange"));
      });
    goTo(address);
    expect(result.current).toEqual({ path: "/jobs/a%20b", line: "12", q: "a&b", other: null });
    goTo("#/");
    expect(result.current).toEqual({ path: "/", line: null, q: null, other: null });
    cleanup();
  });

  it("round-trip any id", () => {
    const id = "../x?#ü %";
    expect(match("/jobs/:id", href("/jobs/:id", { id }).slice(1))).toEqual({ id });
  });
});
