import { describe, expect, it } from "vitest";
import { connectionText, TOOL_WORDS } from "../src/log/toolWords.js";
import { WORDS, type ConnectionView } from "../src/log/words.js";

const calm: ConnectionView = { status: "open", error: null, outcome: null, attempt: 0, dropped: 0, missed: 0, resumes: 0, retryAt: null };
const text = (change: Partial<ConnectionView>): string => connectionText({ ...calm, ...change }, TOOL_WORDS, 10_000);

describe("the connection line", () => {
  it.each<[Partial<ConnectionView>, string]>([
    [{}, "Live"],
    [{ status: "connecting" }, "Connecting…"],
    [{ status: "reconnecting", retryAt: 12_400 }, "Reconnecting in 3 s"],
    [{ status: "reconnecting", retryAt: 9_000 }, "Reconnecting…"],
    [{ status: "reconnecting" }, "Reconnecting…"],
    [{ resumes: 1 }, "Live · resumed with 0 lost"],
    [{ resumes: 2, missed: 12 }, "Live · resumed with 12 lost"],
    [{ dropped: 1240 }, "Live · 1,240 dropped by the cap"],
    [{ status: "ended", outcome: "failed" }, "Ended: failed"],
    [{ status: "ended" }, "Ended"],
    [{ status: "lost" }, "The process that ran this job is gone"],
    [{ status: "failed", error: { kind: "gone", message: "/x answered 404" } }, "Given up: /x answered 404"],
    [{ status: "idle" }, "Not connected"],
  ])("%j: %s", (change, expected) => {
    expect(text(change)).toBe(expected);
  });
});

describe("the summary", () => {
  it("counts errors first, and leaves out zeros", () => {
    expect(WORDS.summary({ info: 7, warning: 1, error: 2 }, 10)).toBe("2 errors, 1 warning, 10 lines");
    expect(WORDS.summary({ info: 1 }, 1)).toBe("1 line");
  });
});
