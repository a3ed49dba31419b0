import { act, cleanup, renderHook, waitFor } from "@testing-library/react";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { activitiesAfter, draftAfter, progressAfter, useJob, type Job, type JobOptions, type StreamEvent } from "../src/index.js";
import { fakeFetch, frame, log, type FakeFetch, type FakeRequest } from "./support/fakes.js";

let net: FakeFetch;

beforeEach(() => {
  net = fakeFetch();
});

afterEach(cleanup);

const attempt = (number: number, reason = "worker lost", t = 0): StreamEvent => ({ event: "attempt", attempt: number, reason, t });
const done = (id: number, status: string, t = 2): string => frame(id, { event: "done", t, status });
const progress = (percent: number, t = 1): StreamEvent => ({ event: "progress", step: "fetch", percent, t });
const lost = 'data: {"event":"status","status":"lost"}\n\n';

async function followed(options: JobOptions = {}): Promise<{ readonly job: () => Job; readonly stream: FakeRequest }> {
  const view = renderHook(() => useJob(null, { jobId: "x", ...options }));
  await waitFor(() => expect(net.requests).toHaveLength(1));
  net.last().open();
  await waitFor(() => expect(view.result.current.stream.status).toBe("open"));
  return { job: () => view.result.current, stream: net.last() };
}

it("a job has one attempt, until its log tells of more", async () => {
  const { result } = renderHook(() => useJob(null));
  expect(result.current).toMatchObject({ attempt: 1, attempts: [{ attempt: 1, reason: null, outcome: null, startedAt: null }] });
});

it("lost, then attempt 2: it runs again, and what the dead attempt had is gone", async () => {
  const { job, stream } = await followed({ resultUrl: null });
  stream.send(frame(1, progress(80)) + frame(2, { event: "token", token: "half a te" }) + frame(3, log("The disk is full.", 1, "error")) + frame(4, { event: "complete", words: 1 }) + lost);
  await waitFor(() => expect(job()).toMatchObject({ state: "lost", progress: { percent: 80 }, draft: "half a te", error: { kind: "stream" } }));

  stream.send(frame(9, attempt(2)));
  await waitFor(() => expect(job()).toMatchObject({ state: "running", attempt: 2, progress: null, draft: "", result: null, error: null, endedAt: null }));
  expect(job().attempts).toEqual([
    { attempt: 1, reason: null, outcome: null, startedAt: null },
    { attempt: 2, reason: "worker lost", outcome: null, startedAt: null },
  ]);
  expect(job().events).toHaveLength(6); // of all attempts
  expect(job().stream.logs.map(({ text }) => text)).toEqual(["The disk is full.", "Attempt 2 - worker lost"]);

  stream.send(frame(10, progress(5)) + done(11, "failed"));
  await waitFor(() => expect(job().state).toBe("failed"));
  expect(job()).toMatchObject({ progress: { percent: 5 }, error: { message: "The job failed, and did not say why." } }); // the error was another attempt's
  expect(job().attempts.at(-1)).toMatchObject({ attempt: 2, outcome: "failed" });
  expect(net.requests).toHaveLength(1);
});

it("a late joiner is not told that a job has ended which was opened again, and asks for the result once", async () => {
  const seen = new Set<string>();
  const { result } = renderHook(() => {
    const job = useJob(null, { jobId: "x" });
    seen.add(job.state);
    return job;
  });
  await waitFor(() => expect(net.requests).toHaveLength(1));
  const stream = net.last();
  stream.open();
  stream.send(frame(1, progress(80)) + done(2, "failed"), true);
  await waitFor(() => expect(result.current.attempts[0]?.outcome).toBe("failed"));
  stream.send(frame(3, attempt(2, "run again")) + frame(4, progress(10)));
  await waitFor(() => expect(result.current).toMatchObject({ attempt: 2, progress: { percent: 10 }, state: "running" }));
  stream.send(done(5, "completed"));
  await waitFor(() => expect(net.last().url).toBe("/job/x/result"));
  net.last().json({ words: 3 });
  await waitFor(() => expect(result.current).toMatchObject({ state: "completed", result: { words: 3 } }));
  expect(seen).toEqual(new Set(["running", "completed"]));
  expect(result.current.attempts.map(({ outcome }) => outcome)).toEqual(["failed", "completed"]);
  expect(net.requests).toHaveLength(2);
});

it("a log that started over has its attempts anew", async () => {
  const { job, stream } = await followed();
  stream.send(frame(1, attempt(2, "one")) + frame(2, attempt(3, "two")) + frame(3, attempt(2, "three")));
  await waitFor(() => expect(job().attempts.map(({ attempt: number, reason }) => [number, reason])).toEqual([[1, null], [2, "three"]]));
  expect(job().attempt).toBe(2);
});

it("reconnect() after the end finds the next attempt: the job runs again", async () => {
  const { job, stream } = await followed({ resultUrl: null });
  stream.send(done(1, "failed"));
  await waitFor(() => expect(job().state).toBe("failed"));
  act(() => job().stream.reconnect());
  await waitFor(() => expect(net.requests).toHaveLength(2));
  net.last().open();
  net.last().send(frame(2, attempt(2)));
  await waitFor(() => expect(job()).toMatchObject({ state: "running", attempt: 2, error: null, endedAt: null }));
});

it("an attempt that comes live has a start; the job's own stays, and its end is by the last attempt's clock", async () => {
  vi.useFakeTimers({ toFake: ["Date"], now: 1_000_000 });
  const { result } = renderHook(() => useJob(async () => ({ job_id: "a" }), { resultUrl: null }));
  act(() => result.current.start());
  await waitFor(() => expect(net.requests).toHaveLength(1));
  const stream = net.last();
  stream.open();
  stream.send(frame(1, log("one", 0)));
  await waitFor(() => expect(result.current.events).toHaveLength(1));
  vi.setSystemTime(1_090_000);
  stream.send(lost + frame(2, attempt(2, "worker lost", 0.5)));
  await waitFor(() => expect(result.current.attempt).toBe(2));
  expect(result.current).toMatchObject({ startedAt: 1_000_000, attempts: [{ startedAt: 1_000_000 }, { startedAt: 1_089_500 }] });
  vi.setSystemTime(1_095_000);
  stream.send(done(3, "completed", 5));
  await waitFor(() => expect(result.current).toMatchObject({ state: "completed", startedAt: 1_000_000, endedAt: 1_094_500 }));
});

it("the reducers begin anew at an attempt, and only at one", () => {
  const event = attempt(2);
  const other: StreamEvent = { event: "attempt", message: "to log in" };
  const before = { step: "fetch", message: null, percent: 80 };
  const lanes = [{ id: "a", name: "a", status: "running" }];
  expect([progressAfter(before, event), draftAfter("half", event), activitiesAfter(lanes, event)]).toEqual([null, "", []]);
  expect([progressAfter(before, other), draftAfter("half", other), activitiesAfter(lanes, other)]).toEqual([before, "half", lanes]);
});
