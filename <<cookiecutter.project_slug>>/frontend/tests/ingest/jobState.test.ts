import { describe, expect, it } from "vitest";
import type { Job } from "../../src/ingest/api";
import { jobState } from "../../src/ingest/jobState";
import type { LogView } from "../../src/ingest/jobState";

const running: Job = {
  job_id: "a1",
  kind: "ingest",
  source: "notes.md",
  status: "running",
  attempt: 1,
  created_at: "2026-01-01T00:00:00Z",
  finished_at: null,
  document_id: null,
  error: null,
  partial: null,
  step: null,
  percent: null,
  age_seconds: null,
};
const streaming: LogView = { polled: false, status: "open", outcome: null, error: null };
const notFound: LogView = { polled: false, status: "failed", outcome: null, error: { kind: "gone", status: 404, message: "not found" } };

describe("the badge of a running job", () => {
  it.each([
    ["Running", null],
    ["Live", streaming],
    ["Polling", { ...streaming, polled: true } as const],
    ["Connecting", { ...streaming, status: "connecting" } as const],
    ["Reconnecting", { ...streaming, status: "reconnecting" } as const],
    ["Lost", { ...streaming, status: "lost" } as const],
  ])("is %s", (badge, view) => {
    expect(jobState(running, view, "memory")).toMatchObject({ badge, running: true });
  });

  it("is what the log's last line says, before the server's list does", () => {
    for (const [outcome, badge] of [["completed", "Completed"], ["failed", "Failed"], ["cancelled", "Cancelled"]] as const) {
      expect(jobState(running, { ...streaming, status: "ended", outcome }, "memory")).toMatchObject({ badge, running: false });
    }
  });
});

describe("a job that is over", () => {
  it.each([
    ["completed", "Completed", "ok"],
    ["failed", "Failed", "bad"],
    ["cancelled", "Cancelled", "quiet"],
    ["interrupted", "Interrupted", "warn"],
  ] as const)("is %s: %s, and cannot be cancelled", (status, badge, tone) => {
    expect(jobState({ ...running, status }, null, "memory")).toMatchObject({ badge, tone, running: false });
  });

  it("gives the reason why it failed", () => {
    const failed: Job = { ...running, status: "failed", error: "The PDF is encrypted." };
    expect(jobState(failed, null, "memory").reason).toBe("The PDF is encrypted.");
  });

  it("keeps its badge when its log is gone, and says so", () => {
    const state = jobState({ ...running, status: "completed" }, notFound, "memory");
    expect(state.badge).toBe("Completed");
    expect(state.note).toContain("The log of this job is gone");
  });
});

describe("a job whose log is gone", () => {
  it.each(["running", "interrupted"] as const)("is Gone where the list says %s, with what to do in plain words", (status) => {
    expect(jobState({ ...running, status }, notFound, "memory")).toMatchObject({
      badge: "Gone",
      running: false,
      note: "This job is gone: the server was restarted and keeps logs in memory. Start it again or use the DynamoDB store.",
    });
  });

  it.each(["dynamo", "redis"] as const)("is on its way where the job runs, on whichever server, and the store is %s", (store) => {
    expect(jobState(running, notFound, store)).toMatchObject({ badge: "Connecting", running: true });
    expect(jobState({ ...running, status: "interrupted" }, notFound, store)).toMatchObject({ badge: "Gone", running: false });
  });

  it("does not blame a restart on DynamoDB", () => {
    expect(jobState({ ...running, status: "interrupted" }, notFound, "dynamo").note).toContain("expired");
    expect(jobState({ ...running, status: "interrupted" }, notFound, "redis").note).toContain("expired in Redis");
  });
});

it("tells why a log cannot be shown when it is refused for another reason", () => {
  const refused: LogView = { ...notFound, error: { kind: "denied", status: 403, message: "HTTP 403" } };
  expect(jobState(running, refused, "memory")).toMatchObject({ badge: "No log", note: "The log cannot be shown: HTTP 403" });
});
