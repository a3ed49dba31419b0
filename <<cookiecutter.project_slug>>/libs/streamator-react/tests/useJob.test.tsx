import { act, cleanup, render as renderPage, renderHook, waitFor } from "@testing-library/react";
import type * as React from "react";
import { Activity, StrictMode, useEffect, type ReactNode } from "react";
import { renderToString } from "react-dom/server";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { StreamDefaults, useJob, type Job, type JobOptions, type JobStart } from "../src/index.js";
import { holdPlace } from "../src/transport/places.js";
import { fakeFetch, frame, log, type FakeFetch, type FakeRequest } from "./support/fakes.js";

let net: FakeFetch;

beforeEach(() => {
  net = fakeFetch();
});

afterEach(cleanup);

interface Props {
  start: JobStart | null;
  options?: JobOptions;
}

const strict = StrictMode as ({ children }: { children: ReactNode }) => ReactNode;

function render(start: JobStart | null, options?: JobOptions, wrapper?: ({ children }: { children: ReactNode }) => ReactNode) {
  const view = renderHook(({ start: by, options: given }: Props) => useJob(by, given), { initialProps: { start, options }, wrapper });
  return { ...view, job: (): Job => view.result.current };
}

const byId = async (): Promise<{ job_id: string }> => ({ job_id: "a" });
const request: JobStart = { url: "/run/stream", body: '{"text":"x"}' };
const done = (id: number, status = "completed", t = 2): string => frame(id, { event: "done", t, status });

async function asked(url: string): Promise<FakeRequest> {
  await waitFor(() => expect(net.requests.map((one) => one.url)).toContain(url));
  return net.requests.findLast((one) => one.url === url) as FakeRequest;
}

/** A job that runs, and the functions that drive its stream. */
async function running(options?: JobOptions, start: JobStart = byId) {
  const view = render(start, options);
  act(() => view.job().start());
  const stream = await asked(typeof start === "function" ? "/job/a/stream" : start.url);
  return { ...view, stream };
}

describe("a job that a function starts", () => {
  it("is idle until it is started", async () => {
    const start = vi.fn<typeof byId>(byId);
    const { job } = render(start);
    expect(job()).toMatchObject({ state: "idle", jobId: null, events: [], progress: null, draft: "", result: null, error: null, cancelling: false, startedAt: null, endedAt: null });
    expect(job().stream).toMatchObject({ status: "idle", active: false, logs: [] });
    await act(async () => {});
    expect(start).not.toHaveBeenCalled();
    expect(net.requests).toHaveLength(0);
  });

  it("starts, runs, completes, and has its result", async () => {
    const { job, stream } = await running();
    expect(job()).toMatchObject({ state: "running", jobId: "a" });
    stream.open();
    stream.send(frame(1, log("one")) + frame(2, { event: "progress", step: "fetch", message: "Fetching", percent: 40 }) + frame(3, { event: "token", token: "Hel" }) + frame(4, { event: "token", token: "lo" }));
    await waitFor(() => expect(job().events).toHaveLength(4));
    expect(job()).toMatchObject({ progress: { step: "fetch", message: "Fetching", percent: 40 }, draft: "Hello" });
    expect(job().stream.logs.map(({ text }) => text)).toEqual(["one", "Fetching"]);
    stream.send(done(5));
    const result = await asked("/job/a/result");
    expect(job().state).toBe("running"); // until the result is there
    result.json({ words: 3 });
    await waitFor(() => expect(job()).toMatchObject({ state: "completed", result: { words: 3 }, error: null }));
    expect(job().stream).toMatchObject({ status: "ended", outcome: "completed", active: false });
  });

  it("never publishes an event without its line", async () => {
    const seen: Job[] = [];
    const view = renderHook(() => {
      const job = useJob(byId);
      seen.push(job);
      return job;
    });
    act(() => view.result.current.start());
    const stream = await asked("/job/a/stream");
    stream.open();
    stream.send(frame(1, { event: "progress", step: "fetch", message: "Fetching" }) + frame(2, { event: "complete", success: true }) + done(3));
    await waitFor(() => expect(view.result.current.state).toBe("completed"));
    for (const { progress, stream: shown } of seen.filter((job) => job.progress !== null)) {
      expect(shown.logs.map(({ text }) => text)).toContain(progress?.message);
    }
  });

  it("publishes events that came together with a new state", async () => {
    const { job, stream } = await running();
    stream.open();
    const status = (name: string): string => `data: {"event":"status","status":"${name}"}\n\n`;
    stream.send(status("lost") + status("running") + frame(1, { event: "progress", step: "fetch", message: "Fetching" }));
    await waitFor(() => expect(job()).toMatchObject({ state: "running", progress: { message: "Fetching" } }));
    expect(job().stream.logs.map(({ text }) => text)).toEqual(["Fetching"]);
  });

  it("is starting while the function runs, with a panel that waits", async () => {
    let started: (job: { job_id: string }) => void = () => undefined;
    const { job } = render(() => new Promise((resolve) => {
      started = resolve;
    }));
    act(() => job().start());
    expect(job()).toMatchObject({ state: "starting", jobId: null });
    expect(job().startedAt).toBeGreaterThan(0);
    expect(job().stream).toMatchObject({ active: true, status: "connecting" });
    await act(async () => {});
    await act(async () => started({ job_id: "a" }));
    expect(job()).toMatchObject({ state: "running", jobId: "a" });
  });

  it("fails with the message and the status of a failed start", async () => {
    const { job } = render(() => Promise.reject(Object.assign(new Error("8 jobs are running."), { status: 429 })));
    act(() => job().start());
    await waitFor(() => expect(job()).toMatchObject({ state: "failed", error: { kind: "start", status: 429, message: "8 jobs are running." } }));
    expect(job().stream.active).toBe(false);
  });

  it("fails with the job's last error", async () => {
    const { job, stream } = await running();
    stream.open();
    stream.send(frame(1, log("first", 0, "error")) + frame(2, log("The page is gone.", 1, "error")) + done(3, "failed"));
    await waitFor(() => expect(job()).toMatchObject({ state: "failed", error: { kind: "job", message: "The page is gone." }, result: null }));
    expect(net.requests.map(({ url }) => url)).toEqual(["/job/a/stream"]);
  });

  it("takes its result from the complete event, without another request", async () => {
    const { job, stream } = await running();
    stream.open();
    stream.send(frame(1, { event: "complete", success: true, output: "text" }) + done(2));
    await waitFor(() => expect(job()).toMatchObject({ state: "completed", result: { event: "complete", success: true, output: "text" } }));
    expect(net.requests).toHaveLength(1);
  });

  it("a job without a result has no error; a result that cannot be fetched has one", async () => {
    const first = await running();
    first.stream.open();
    first.stream.send(done(1));
    (await asked("/job/a/result")).status(404);
    await waitFor(() => expect(first.job()).toMatchObject({ state: "completed", result: null, error: null }));
    cleanup();
    const second = await running();
    second.stream.open();
    second.stream.send(done(1));
    await waitFor(() => expect(net.requests).toHaveLength(4));
    net.last().status(500);
    await waitFor(() => expect(second.job()).toMatchObject({ state: "completed", result: null, error: { kind: "result", status: 500, message: "/job/a/result answered 500." } }));
  });

  it("fetches no result if resultUrl is null", async () => {
    const { job, stream } = await running({ resultUrl: null });
    stream.open();
    stream.send(done(1));
    await waitFor(() => expect(job().state).toBe("completed"));
    expect(net.requests).toHaveLength(1);
  });

  it("takes its addresses from prefix, or from functions", async () => {
    const { job } = render(byId, { prefix: "/api/job", streamUrl: (id) => `/api/log/${id}/stream` });
    act(() => job().start());
    const stream = await asked("/api/log/a/stream");
    stream.open();
    stream.send(done(1));
    expect((await asked("/api/job/a/result")).method).toBe("GET");
  });

  it("reports when it began and ended, by the job's own clock", async () => {
    const { job, stream } = await running();
    stream.open();
    stream.send(frame(1, log("one", 0.5)) + done(2, "cancelled", 3600));
    await waitFor(() => expect(job().state).toBe("cancelled"));
    expect(Number(job().endedAt) - Number(job().startedAt)).toBe(3_600_000); // the job ran for an hour, by its own clock
  });

  it("a URL function that throws is reported, and the page stays", async () => {
    const fail = (): never => {
      throw new Error("no such address");
    };
    const followed = render(null, { jobId: "x", streamUrl: fail });
    expect(followed.job()).toMatchObject({ state: "lost", error: { kind: "stream", message: "no such address" } });
    const started = render(byId, { streamUrl: fail });
    act(() => started.job().start());
    await waitFor(() => expect(started.job()).toMatchObject({ state: "failed", error: { kind: "start", message: "no such address" } }));
    const { job, stream } = await running({ resultUrl: fail, cancelUrl: fail });
    stream.open();
    await act(() => job().cancel());
    expect(job()).toMatchObject({ cancelling: false, error: { kind: "cancel", message: expect.stringContaining("no such address") } });
    stream.send(done(1));
    await waitFor(() => expect(job()).toMatchObject({ state: "completed", error: { kind: "result", message: expect.stringContaining("no such address") } }));
  });

  it("a POST whose streamUrl throws is interrupted, and the error is reported", async () => {
    const reported = vi.fn<(error: unknown) => void>();
    vi.stubGlobal("reportError", reported);
    const fault = new Error("no such address");
    const { job, stream } = await running({ streamUrl: () => { throw fault; } }, request);
    stream.open({ "x-job-id": "b" });
    await waitFor(() => expect(job().jobId).toBe("b"));
    stream.drop();
    await waitFor(() => expect(job()).toMatchObject({ state: "lost", error: { kind: "stream" } }));
    expect(reported.mock.calls).toEqual([[fault]]);
  });

  it("reports FastAPI's own words", async () => {
    const { job, stream } = await running({}, request);
    stream.json({ detail: [{ loc: ["body", "text"], msg: "Field required" }] }, 422);
    await waitFor(() => expect(job()).toMatchObject({ state: "failed", error: { kind: "start", status: 422, message: "body.text: Field required" } }));
  });

  it("starts over when started again", async () => {
    const { job, stream } = await running();
    stream.open();
    stream.send(frame(1, { event: "token", token: "old" }) + done(2, "failed"));
    await waitFor(() => expect(job().state).toBe("failed"));
    act(() => job().start());
    expect(job()).toMatchObject({ state: "starting", jobId: null, draft: "", events: [], error: null, progress: null, endedAt: null });
    await waitFor(() => expect(net.requests).toHaveLength(2));
    net.last().open();
    net.last().send(frame(1, { event: "token", token: "new" }));
    await waitFor(() => expect(job().draft).toBe("new"));
  });

  it("reset unfollows it, without stopping it", async () => {
    const { job, stream } = await running();
    act(() => job().reset());
    expect(job()).toMatchObject({ state: "idle", jobId: null });
    expect(job().stream.status).toBe("idle");
    expect(stream.signal.aborted).toBe(true);
    expect(net.requests).toHaveLength(1);
  });

  it("keeps the newest maxEntries events", async () => {
    const { job, stream } = await running({ maxEntries: 2 });
    stream.open();
    stream.send(frame(1, log("1")) + frame(2, log("2")) + frame(3, log("3")));
    await waitFor(() => expect(job().events.map(({ message }) => message)).toEqual(["2", "3"]));
  });

  it("calls onEvent for each event, with its id", async () => {
    const onEvent = vi.fn<NonNullable<JobOptions["onEvent"]>>();
    const { stream } = await running({ onEvent });
    stream.open();
    stream.send(frame(1, log("1")) + frame(2, log("2")));
    await waitFor(() => expect(onEvent.mock.calls).toEqual([[log("1"), 1], [log("2"), 2]]));
  });

  it("renders a burst of events a few times, not a thousand", async () => {
    let renders = 0;
    const { result } = renderHook(() => {
      renders += 1;
      return useJob(byId);
    });
    act(() => result.current.start());
    const stream = await asked("/job/a/stream");
    stream.open();
    await waitFor(() => expect(result.current.stream.status).toBe("open"));
    const before = renders;
    stream.send(Array.from({ length: 1000 }, (_, index) => frame(index + 1, { event: "token", token: "x" })).join(""));
    await waitFor(() => expect(result.current.draft).toHaveLength(1000));
    expect(renders - before).toBeLessThanOrEqual(2);
  });
});

describe("a job that a request starts and streams", () => {
  it("sends the request, and reads the id from its answer", async () => {
    const { job, stream } = await running({ headers: { "content-type": "application/json" } }, request);
    expect(stream).toMatchObject({ method: "POST", body: '{"text":"x"}' });
    expect(stream.headers.get("content-type")).toBe("application/json");
    expect(job().state).toBe("starting");
    stream.open({ "x-job-id": "b" });
    await waitFor(() => expect(job()).toMatchObject({ state: "running", jobId: "b" }));
    stream.send('id: 1\nevent: complete\ndata: {"output":"x"}\n\n' + done(2));
    await waitFor(() => expect(job()).toMatchObject({ state: "completed", result: { output: "x" } }));
  });

  it("when it breaks off, goes on, and shows nothing twice", async () => {
    const { job, stream } = await running({}, request);
    stream.open({ "x-job-id": "b" });
    stream.send(frame(1, { event: "token", token: "one " }) + frame(2, log("first")));
    await waitFor(() => expect(job().draft).toBe("one "));
    stream.drop();
    const resumed = await asked("/job/b/stream");
    expect(resumed.method).toBe("GET");
    expect(resumed.headers.get("last-event-id")).toBe("2");
    await waitFor(() => expect(job().stream.status).toBe("reconnecting"));
    expect(job().state).toBe("running");
    resumed.open();
    resumed.send(frame(3, { event: "token", token: "two" }) + frame(4, log("second")) + done(5));
    (await asked("/job/b/result")).status(404);
    await waitFor(() => expect(job()).toMatchObject({ state: "completed", draft: "one two" }));
    expect(job().stream.logs.map(({ text }) => text)).toEqual(["first", "second"]);
    expect(job().stream.resumes).toBe(1);
  });

  it("fails with the server's words if it is refused", async () => {
    const { job, stream } = await running({}, request);
    stream.json({ error: "The text is empty." }, 422);
    await waitFor(() => expect(job()).toMatchObject({ state: "failed", error: { kind: "start", status: 422, message: "The text is empty." } }));
  });

  it("without a place it switches to the job's own stream, which can poll", async () => {
    const others = new AbortController();
    for (let index = 0; index < 4; index += 1) holdPlace("/others/stream", true, others.signal, () => undefined);
    const { job, stream } = await running({}, request);
    stream.open({ "x-job-id": "b" });
    const poll = await asked("/job/b");
    expect(stream.signal.aborted).toBe(true);
    poll.json({ logs: [log("one")], next: 1, closed: false });
    await waitFor(() => expect(job().stream.logs).toHaveLength(1));
    expect(job()).toMatchObject({ state: "running", jobId: "b", stream: { status: "open", polled: true, resumes: 0 } });
    others.abort();
    const own = await asked("/job/b/stream");
    expect(own.headers.get("last-event-id")).toBe("1");
    own.open();
    own.send(done(2));
    (await asked("/job/b/result")).status(404);
    await waitFor(() => expect(job()).toMatchObject({ state: "completed", error: null }));
    expect(net.requests.filter(({ method }) => method === "POST")).toHaveLength(1);
  });

  it("is lost if it breaks off before the server named the job", async () => {
    const { job, stream } = await running({}, request);
    stream.open();
    await waitFor(() => expect(job().state).toBe("running"));
    stream.drop();
    await waitFor(() => expect(job()).toMatchObject({ state: "lost", jobId: null, error: { kind: "stream" } }));
    expect(net.requests).toHaveLength(1);
  });

  it("cancel before the id is known is sent once it is", async () => {
    const { job, stream } = await running({}, request);
    await act(() => job().cancel());
    expect(job()).toMatchObject({ state: "starting", cancelling: true });
    stream.open({ "x-job-id": "b" });
    expect((await asked("/job/b/cancel")).method).toBe("POST");
  });
});

describe("cancel", () => {
  it("asks the job to stop, and ends when the job does", async () => {
    const { job, stream } = await running();
    stream.open();
    let cancelled: Promise<void> = Promise.resolve();
    act(() => {
      cancelled = job().cancel();
    });
    expect(job()).toMatchObject({ state: "running", cancelling: true });
    const cancel = await asked("/job/a/cancel");
    expect(cancel.method).toBe("POST");
    cancel.json({ status: "requested", requested: "a" }, 202); // the job's process has not said yet that it stops
    await act(() => cancelled);
    expect(job()).toMatchObject({ state: "running", cancelling: true });
    stream.send(done(1, "cancelled"));
    await waitFor(() => expect(job()).toMatchObject({ state: "cancelled", cancelling: false, error: null }));
  });

  it("if it is refused, the reason is shown and the job goes on", async () => {
    const { job, stream } = await running();
    stream.open();
    act(() => void job().cancel());
    (await asked("/job/a/cancel")).json({ error: "It cannot be stopped from here." }, 409);
    await waitFor(() => expect(job()).toMatchObject({ state: "running", cancelling: false, error: { kind: "cancel", status: 409, message: "It cannot be stopped from here." } }));
    stream.send(frame(1, log("goes on")));
    await waitFor(() => expect(job().stream.logs).toHaveLength(1));
  });

  it("during the start calls the start off", async () => {
    let given: AbortSignal | undefined;
    const { job } = render((signal) => {
      given = signal;
      return new Promise(() => undefined);
    });
    act(() => job().start());
    await waitFor(() => expect(given).toBeDefined());
    await act(() => job().cancel());
    expect(given?.aborted).toBe(true);
    expect(job()).toMatchObject({ state: "cancelled", cancelling: false });
  });

  it("that comes too late to call the start off stops the job", async () => {
    let started: (job: { job_id: string }) => void = () => undefined;
    const { job } = render(() => new Promise((resolve) => {
      started = resolve;
    }));
    act(() => job().start());
    await act(async () => {});
    await act(() => job().cancel());
    await act(async () => started({ job_id: "late" }));
    expect((await asked("/job/late/cancel")).method).toBe("POST");
    expect(job().state).toBe("cancelled");
  });

  it("does nothing without a running job", async () => {
    const { job } = render(byId);
    await act(() => job().cancel());
    expect(job().state).toBe("idle");
    expect(net.requests).toHaveLength(0);
  });
});

describe("a job that is followed by its id", () => {
  it("is there from the first render, from its first event", async () => {
    const { job } = render(null, { jobId: "x" });
    expect(job()).toMatchObject({ state: "running", jobId: "x" });
    const stream = await asked("/job/x/stream");
    expect(stream.headers.get("last-event-id")).toBeNull();
    stream.open();
    stream.send(frame(1, { event: "token", token: "all" }) + done(2));
    (await asked("/job/x/result")).json(7);
    await waitFor(() => expect(job()).toMatchObject({ state: "completed", draft: "all", result: 7 }));
  });

  it("another id is another job: nothing of the first shows under it", async () => {
    const seen: string[] = [];
    const { result, rerender } = renderHook(
      ({ jobId }: { jobId: string | null }) => {
        const job = useJob(null, { jobId });
        seen.push(`${job.jobId} ${job.events.length}`);
        return job;
      },
      { initialProps: { jobId: "x" as string | null } },
    );
    const first = await asked("/job/x/stream");
    first.open();
    first.send(frame(1, log("of x")));
    await waitFor(() => expect(result.current.events).toHaveLength(1));
    rerender({ jobId: "y" });
    await asked("/job/y/stream");
    expect(first.signal.aborted).toBe(true);
    expect(seen).not.toContain("y 1");
    rerender({ jobId: null });
    expect(result.current.jobId).toBe("y"); // only reset or another job unfollows it
  });

  it("an id that is kept over a reload: started, stored, found again", async () => {
    let stored: string | null = null;
    const useKept = (): Job => {
      const job = useJob(byId, { jobId: stored });
      useEffect(() => {
        stored = job.jobId;
      }, [job.jobId]);
      return job;
    };
    const first = renderHook(useKept);
    act(() => first.result.current.start());
    await asked("/job/a/stream");
    await waitFor(() => expect(stored).toBe("a"));
    first.rerender();
    await act(async () => {});
    expect(net.requests).toHaveLength(1); // the id is of the same job
    first.unmount();
    const second = renderHook(useKept);
    expect(second.result.current).toMatchObject({ state: "running", jobId: "a" });
    await waitFor(() => expect(net.requests).toHaveLength(2));
    expect(stored).toBe("a");
  });

  it("another job that was started since stays when the page is hidden and shown again", async () => {
    const seen: Job[] = [];
    function Page() {
      const job = useJob(byId, { jobId: "x" });
      seen.push(job);
      return null;
    }
    const shown = (mode: "visible" | "hidden") => (
      <Activity mode={mode}>
        <Page />
      </Activity>
    );
    const { rerender } = renderPage(shown("visible"));
    await asked("/job/x/stream");
    act(() => seen.at(-1)?.start());
    const stream = await asked("/job/a/stream");
    stream.open();
    stream.send(frame(1, log("one")));
    await waitFor(() => expect(seen.at(-1)?.events).toHaveLength(1));
    rerender(shown("hidden"));
    expect(stream.signal.aborted).toBe(true);
    rerender(shown("visible"));
    await waitFor(() => expect(net.requests).toHaveLength(3));
    expect(net.last()).toMatchObject({ url: "/job/a/stream" });
    expect(net.last().headers.get("last-event-id")).toBe("1");
    expect(seen.at(-1)).toMatchObject({ jobId: "a", state: "running" });
  });

  describe("when it began and ended", () => {
    const line = (id: number, t: number): string => frame(id, log(`${id}`, t));

    async function followed() {
      vi.useFakeTimers({ toFake: ["Date"], now: 1_000_000_000 });
      const view = render(null, { jobId: "x", resultUrl: null });
      const stream = await asked("/job/x/stream");
      stream.open();
      await waitFor(() => expect(view.job().stream.status).toBe("open"));
      let count = 0;
      const send = async (text: string): Promise<void> => {
        count += text.split("\n\n").length - 1;
        stream.send(text);
        await waitFor(() => expect(view.job().events).toHaveLength(count));
      };
      return { ...view, send, pass: (milliseconds: number) => vi.setSystemTime(Date.now() + milliseconds) };
    }


    it("is unknown for a job that had ended before", async () => {
      const { job, send, pass } = await followed();
      pass(1_500); // the server took this long to fetch the log
      await send(line(1, 0.1) + line(2, 60));
      pass(100);
      await send(line(3, 3_599) + done(4, "completed", 3_600));
      await waitFor(() => expect(job()).toMatchObject({ state: "completed", startedAt: null, endedAt: null }));
    });

    it("is known after an event that comes after a silence", async () => {
      const { job, send, pass } = await followed();
      await send(line(1, 0.1) + line(2, 60));
      expect(job().startedAt).toBeNull();
      pass(20_000); // the last event had come 10 s before the page was opened
      await send(line(3, 90));
      expect(job().startedAt).toBe(1_000_000_000 + 20_000 - 90_000);
      pass(5_000);
      await send(done(4, "completed", 95));
      await waitFor(() => expect(job()).toMatchObject({ state: "completed", startedAt: 1_000_000_000 - 70_000, endedAt: 1_000_000_000 + 25_000 }));
    });

    it("is known after a second of live events", async () => {
      const { job, send, pass } = await followed();
      await send(line(1, 0.1) + line(2, 60));
      const known: unknown[] = [];
      for (let id = 3; id < 14; id += 1) {
        pass(100);
        await send(line(id, 60 + (id - 2) / 10));
        known.push(job().startedAt);
      }
      expect(new Set(known.slice(0, 7))).toEqual(new Set([null]));
      expect(known.at(-1)).toBe(1_000_000_000 - 60_000);
    });

    it("is corrected if later events show that the first ones were replayed", async () => {
      const { job, send, pass } = await followed();
      await send(line(1, 0.1));
      pass(2_000); // the network was slow, not the job
      await send(line(2, 30));
      await send(line(3, 60) + done(4, "completed", 3_600));
      await waitFor(() => expect(job()).toMatchObject({ state: "completed", startedAt: null, endedAt: null }));
    });
  });

  it("is lost if there is no such job", async () => {
    const { job } = render(null, { jobId: "x" });
    (await asked("/job/x/stream")).status(404);
    await waitFor(() => expect(job()).toMatchObject({ state: "lost", error: { kind: "stream", status: 404 } }));
  });

  it("is lost while its process is dead, and runs again when it comes back", async () => {
    const { job } = render(null, { jobId: "x" });
    const stream = await asked("/job/x/stream");
    stream.open();
    stream.send('data: {"event":"status","status":"lost"}\n\n');
    await waitFor(() => expect(job()).toMatchObject({ state: "lost", error: { kind: "stream" } }));
    stream.send('data: {"event":"status","status":"running"}\n\n');
    await waitFor(() => expect(job()).toMatchObject({ state: "running", error: null }));
  });

  it("start() without a start throws", () => {
    const { job } = render(null);
    expect(() => job().start()).toThrow("useJob(null)");
  });
});

describe("the page", () => {
  it("when it is left, requests stop and the job runs on", async () => {
    const { unmount, stream } = await running();
    stream.open();
    unmount();
    expect(stream.signal.aborted).toBe(true);
    expect(net.requests).toHaveLength(1);
  });

  it("in StrictMode a followed job is one connection", async () => {
    const { job } = render(null, { jobId: "x" }, strict);
    const stream = await asked("/job/x/stream");
    stream.open();
    stream.send(frame(1, log("one")));
    await waitFor(() => expect(job().events).toHaveLength(1));
    expect(net.requests).toHaveLength(1);
  });

  it("in StrictMode a job that an effect starts is started once", async () => {
    const start = vi.fn<typeof byId>(byId);
    renderHook(
      () => {
        const job = useJob(start);
        const { start: begin } = job;
        useEffect(() => begin(), [begin]);
        return job;
      },
      { wrapper: strict },
    );
    await asked("/job/a/stream");
    expect(start).toHaveBeenCalledTimes(1);
    expect(net.requests).toHaveLength(1);
  });

  it("sends the headers of StreamDefaults with all requests, and new ones after a 401", async () => {
    const headers = vi.fn<(refused: boolean) => Record<string, string>>((refused) => ({ authorization: refused ? "new" : "old" }));
    const { job } = render(byId, {}, ({ children }) => <StreamDefaults.Provider value={{ headers }}>{children}</StreamDefaults.Provider>);
    act(() => job().start());
    const stream = await asked("/job/a/stream");
    expect(stream.headers.get("authorization")).toBe("old");
    stream.open();
    act(() => void job().cancel());
    (await asked("/job/a/cancel")).status(401);
    await waitFor(() => expect(net.requests).toHaveLength(3));
    expect(net.last().headers.get("authorization")).toBe("new");
    net.last().status(401);
    await waitFor(() => expect(job()).toMatchObject({ cancelling: false, error: { kind: "cancel", status: 401 } }));
  });

  it("renders on a server without requests", () => {
    function Page() {
      const { state, jobId } = useJob(byId, { jobId: "x" });
      return <p>{`${state} ${jobId}`}</p>;
    }
    expect(renderToString(<Page />)).toContain("running x");
    expect(net.requests).toHaveLength(0);
  });

  it("works in React 17, which has no useSyncExternalStore", async () => {
    vi.resetModules();
    vi.doMock("react", async (original) => ({ ...(await original<typeof React>()), useSyncExternalStore: undefined }));
    const { useJob: useJob17 } = await import("../src/hooks/useJob.js");
    vi.doUnmock("react");
    const { result } = renderHook(() => useJob17(byId));
    act(() => result.current.start());
    const stream = await asked("/job/a/stream");
    stream.open();
    stream.send(frame(1, { event: "complete" }) + done(2));
    await waitFor(() => expect(result.current).toMatchObject({ state: "completed", result: { event: "complete" } }));
  });
});
