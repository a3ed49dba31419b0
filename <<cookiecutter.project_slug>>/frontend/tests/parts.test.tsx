import { cleanup, render, screen } from "@testing-library/react";
import { afterEach, describe, expect, it } from "vitest";
import { formatBytes, formatCount, formatDuration } from "../src/app/format";
import { href, match } from "../src/app/router";
import { readUrl } from "../src/ingest/AddDocuments";
import { claimStream } from "../src/ingest/lanes";
import { Marked } from "../src/ingest/marks";
import { refuse } from "../src/ingest/starts";

afterEach(cleanup);

describe("Marked", () => {
  it("marks what stands between U+0002 and U+0003, and nothing else", () => {
    const { container } = render(<Marked text={"a \u0002hit\u0003 and \u0002another\u0003."} />);
    expect(container.innerHTML).toBe("a <mark>hit</mark> and <mark>another</mark>.");
  });

  it("keeps HTML as letters, also within a hit", () => {
    const { container } = render(<Marked text={"<img src=x onerror=boom()> \u0002<b>\u0003"} />);
    expect(container.querySelector("img, b")).toBeNull();
    expect(container.textContent).toBe("<img src=x onerror=boom()> <b>");
  });

  it("loses no text to marks without a partner", () => {
    const { container } = render(<Marked text={"one\u0003 two \u0002three"} />);
    expect(container.textContent).toBe("one two three");
    expect(screen.queryByRole("mark")).toBeNull();
  });
});

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

  it("round-trip any id", () => {
    const id = "../x?#ü %";
    expect(match("/jobs/:id", href("/jobs/:id", { id }).slice(1))).toEqual({ id });
  });
});

describe("an address that is typed in", () => {
  it("is completed", () => {
    expect(readUrl(" example.org/a b ")).toBe("https://example.org/a%20b");
    expect(readUrl("http://localhost:8000/x")).toBe("http://localhost:8000/x");
  });

  it.each(["", "not an address", "javascript:alert(1)", "file:///etc/passwd", "ftp://example.org", "word"])("is refused: %j", (text) => {
    expect(readUrl(text)).toBeNull();
  });
});

function file(size: number): { file: File } {
  return { file: new File(["x".repeat(size)], "a.txt") };
}

describe("a file that need not be sent", () => {
  it("is too large, with both sizes and the fix", () => {
    expect(refuse(file(2_000), 1_000)).toBe("The file has 2 kB, and the limit is 1 kB. Choose a smaller one, or raise MAX_UPLOAD_MB.");
  });

  it("is empty", () => {
    expect(refuse(file(0), 1_000)).toContain("empty");
  });

  it("is no file within the limit, nor any while the limit is unknown", () => {
    expect(refuse(file(1_000), 1_000)).toBeNull();
    expect(refuse(file(2_000), null)).toBeNull();
  });
});

it("four logs stream at a time; the fifth has to poll until one is done", async () => {
  const claims = await Promise.all([claimStream(), claimStream(), claimStream(), claimStream()]);
  expect(claims.every((release) => release !== null)).toBe(true);
  expect(await claimStream()).toBeNull();
  claims[2]?.();
  claims[2]?.(); // twice counts once
  const next = await claimStream();
  expect(next).not.toBeNull();
  expect(await claimStream()).toBeNull();
  for (const release of [...claims, next]) release?.();
});
