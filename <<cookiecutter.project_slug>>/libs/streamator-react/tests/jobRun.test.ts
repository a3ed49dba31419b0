// @vitest-environment node
import { expect, it, vi } from "vitest";
import { JobRun } from "../src/job/jobRun.js";

it("a job handles an event past maxEntries as fast as one before it", async () => {
  // If each of these moved 200,000 events, the test would take most of a minute.
  const logs = Array.from({ length: 260_000 }, (_, index) => ({ event: "tick", n: index + 1 }));
  let asked = 0;
  vi.stubGlobal("fetch", () => {
    asked += 1;
    return asked > 1 ? new Promise(() => undefined) : Promise.resolve({ status: 200, json: () => Promise.resolve({ logs, next: logs.length, closed: false }) });
  });
  const run = new JobRun(null, { jobId: "x", streamUrl: (id) => `http://test/job/${id}/stream`, mode: "poll", interval: 0 });
  run.follow("x");
  await vi.waitUntil(() => asked > 1, { timeout: 20_000, interval: 5 });
  run.detach();
  run.clear(); // publishes
  const { events } = run.getSnapshot();
  expect({ length: events.length, first: events[0]?.n, last: events.at(-1)?.n }).toEqual({ length: 200_000, first: 60_001, last: 260_000 });
  vi.unstubAllGlobals();
});
