import { describe, expect, it } from "vitest";
import { activitiesAfter, draftAfter, progressAfter, type JobProgress, type StreamEvent } from "../src/index.js";

describe("progressAfter", () => {
  const after = (...events: StreamEvent[]): JobProgress | null => events.reduce<JobProgress | null>(progressAfter, null);

  it("reads step, message and percent", () => {
    expect(after({ event: "progress", step: "fetching", message: "Fetching", percent: 20 })).toEqual({ step: "fetching", message: "Fetching", percent: 20 });
  });

  it("reads them under their other names: stage and progress", () => {
    expect(after({ event: "progress", stage: "generator", message: "Writing", progress: 30 })).toEqual({ step: "generator", message: "Writing", percent: 30 });
  });

  it("reads the events that an emitter has names for", () => {
    expect(after({ event: "step_started", step: 1, message: "Fetch" }, { event: "step_progress", step: 1, percent: 40 })).toEqual({ step: "1", message: "Fetch", percent: 40 });
  });

  it("an event of the same step changes only its own fields; another step starts over", () => {
    const first: StreamEvent = { event: "progress", step: "a", message: "Half of a", percent: 50 };
    expect(after(first, { event: "progress", percent: 60 })).toEqual({ step: "a", message: "Half of a", percent: 60 });
    expect(after(first, { event: "progress", step: "b" })).toEqual({ step: "b", message: null, percent: null });
  });

  it("keeps percent within 0 and 100, and takes only numbers", () => {
    const percent = (value: unknown): number | null | undefined => after({ event: "progress", percent: value })?.percent;
    expect([percent(-5), percent(105), percent("50"), percent(Number.NaN)]).toEqual([0, 100, null, null]);
  });

  it("ignores any other event", () => {
    const before: JobProgress = { step: "a", message: "b", percent: 1 };
    expect(progressAfter(before, { event: "log", message: "x", percent: 9 })).toBe(before);
  });
});

describe("draftAfter", () => {
  it("draft replaces the text, token appends to it", () => {
    const events: StreamEvent[] = [
      { event: "token", token: "Once " },
      { event: "token", text: "upon" },
      { event: "draft", draft: "# Title\n" },
      { event: "token", token: "A time" },
      { event: "log", message: "not text" },
    ];
    expect(events.reduce(draftAfter, "")).toBe("# Title\nA time");
  });
});

describe("activitiesAfter", () => {
  const agent = (name: string, payload: object, timestamp: unknown = "2030-01-01T00:00:00Z", source = "doc-1"): StreamEvent => ({
    stream: "agent",
    source_id: source,
    event: "update",
    timestamp,
    payload: { agent_name: name, ...payload },
  });

  it("keeps one lane for each agent, in order of arrival", () => {
    const lanes = [
      agent("tagger", { status: "running", message: "Reading", progress: 10 }),
      agent("indexer", { status: "running" }),
      agent("tagger", { status: "completed", progress: 100 }, 1_900_000_000),
    ].reduce<ReturnType<typeof activitiesAfter>>(activitiesAfter, []);
    expect(lanes).toEqual([
      { id: "tagger", name: "tagger", status: "completed", message: "Reading", progress: 100, updatedAt: 1_900_000_000_000, source: "doc-1" },
      { id: "indexer", name: "indexer", status: "running", message: null, progress: null, updatedAt: "2030-01-01T00:00:00Z", source: "doc-1" },
    ]);
  });

  it("returns the same lanes for any other event", () => {
    const lanes = activitiesAfter([], agent("tagger", {}));
    expect(activitiesAfter(lanes, { event: "log", message: "x" })).toBe(lanes);
    expect(activitiesAfter(lanes, { event: "update", stream: "agent", payload: {} })).toBe(lanes);
  });
});
