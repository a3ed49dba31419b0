import { act, cleanup, renderHook, waitFor } from "@testing-library/react";
import type * as React from "react";
import { StrictMode, type ReactNode } from "react";
import { renderToString } from "react-dom/server";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { LogPanel, StreamDefaults, useLogStream, type LogStreamOptions } from "../src/index.js";
import { fakeFetch, frame, log, type FakeFetch } from "./support/fakes.js";

let net: FakeFetch;

beforeEach(() => {
  net = fakeFetch();
});

afterEach(cleanup);

interface Props {
  url: string | null;
  options?: LogStreamOptions;
}

function render(initialProps: Props, wrapper?: ({ children }: { children: ReactNode }) => ReactNode) {
  return renderHook(({ url, options }: Props) => useLogStream(url, options), { initialProps, wrapper });
}

async function requested(count: number): Promise<void> {
  await waitFor(() => expect(net.requests).toHaveLength(count));
}

describe("useLogStream", () => {
  it("is idle without a URL, and sends no request", async () => {
    const { result } = render({ url: null });
    expect(result.current).toMatchObject({ logs: [], active: false, status: "idle", error: null, attempt: 0, dropped: 0, outcome: null });
    await act(async () => {});
    expect(net.requests).toHaveLength(0);
  });

  it("follows a stream to its end", async () => {
    const { result } = render({ url: "/log/a/stream" });
    expect(result.current).toMatchObject({ active: true, status: "connecting" });
    await requested(1);
    net.last().open();
    await waitFor(() => expect(result.current.status).toBe("open"));
    net.last().send(frame(1, log("one", 0.5)) + frame(2, log("two", 1.25, "error")));
    await waitFor(() => expect(result.current.logs).toHaveLength(2));
    expect(result.current.logs[1]).toMatchObject({ text: "two", t: "1.3s", seconds: 1.25, level: "error" });
    expect(result.current.counts).toEqual({ info: 1, success: 0, warning: 0, error: 1 });
    net.last().send(frame(3, { event: "done", t: 2, status: "completed" }));
    await waitFor(() => expect(result.current).toMatchObject({ active: false, status: "ended", outcome: "completed" }));
  });

  it("keeps the page with a bad URL", async () => {
    for (const mode of ["sse", "eventsource", "poll", "ws"] as const) {
      const { result, unmount } = render({ url: "http://[", options: { mode } });
      await waitFor(() => expect(result.current).toMatchObject({ status: "failed", active: false, error: { kind: "rejected" } }));
      expect(unmount).not.toThrow();
    }
    expect(net.requests).toHaveLength(0);
  });

  it("takes its defaults from StreamDefaults", async () => {
    const wrapper = ({ children }: { children: ReactNode }) => (
      <StreamDefaults.Provider value={{ headers: () => ({ authorization: "shared" }) }}>{children}</StreamDefaults.Provider>
    );
    const shared = render({ url: "/log/a/stream" }, wrapper);
    await requested(1);
    expect(net.last().headers.get("authorization")).toBe("shared");
    shared.unmount();
    render({ url: "/log/b/stream", options: { headers: { authorization: "mine" } } }, wrapper);
    await requested(2);
    expect(net.last().headers.get("authorization")).toBe("mine");
  });

  it("opens one connection in StrictMode", async () => {
    const { result } = render({ url: "/log/a/stream" }, StrictMode as ({ children }: { children: ReactNode }) => ReactNode);
    await requested(1);
    net.last().open();
    net.last().send(frame(1, log("one")));
    await waitFor(() => expect(result.current.logs).toHaveLength(1));
    expect(net.requests).toHaveLength(1);
    expect(net.last().signal.aborted).toBe(false);
  });

  it("another URL is another log: the old lines never show under it", async () => {
    const seen: string[] = [];
    const { result, rerender } = renderHook(
      ({ url }: Props) => {
        const stream = useLogStream(url);
        seen.push(`${url} ${stream.logs.length}`);
        return stream;
      },
      { initialProps: { url: "/log/a/stream" } },
    );
    await requested(1);
    net.last().open();
    net.last().send(frame(1, log("of a")));
    await waitFor(() => expect(result.current.logs).toHaveLength(1));
    rerender({ url: "/log/b/stream" });
    expect(result.current).toMatchObject({ logs: [], status: "connecting" });
    await requested(2);
    expect(net.requests[0]?.signal.aborted).toBe(true);
    expect(net.last().headers.has("last-event-id")).toBe(false);
    net.last().open();
    net.last().send(frame(1, log("of b")));
    await waitFor(() => expect(result.current.logs.map(({ text }) => text)).toEqual(["of b"]));
    expect(seen).not.toContain("/log/b/stream 2");
    const first = seen.findIndex((line) => line.startsWith("/log/b/stream"));
    expect(seen[first]).toBe("/log/b/stream 0");
  });

  it("disconnects when unmounted", async () => {
    const { unmount } = render({ url: "/log/a/stream" });
    await requested(1);
    unmount();
    expect(net.last().signal.aborted).toBe(true);
  });

  it("takes another formatEvent without a reconnect, for later events", async () => {
    const { result, rerender } = render({ url: "/s", options: { formatEvent: (event) => `1 ${event.message}` } });
    await requested(1);
    net.last().open();
    net.last().send(frame(1, log("one")));
    await waitFor(() => expect(result.current.logs).toHaveLength(1));
    rerender({ url: "/s", options: { formatEvent: (event) => `2 ${event.message}`, interval: 5 } });
    net.last().send(frame(2, log("two")));
    await waitFor(() => expect(result.current.logs.map(({ text }) => text)).toEqual(["1 one", "2 two"]));
    expect(net.requests).toHaveLength(1);
  });

  it("shows base events by their labels, and a message of their own before the label", async () => {
    const { result } = render({ url: "/s" });
    await requested(1);
    net.last().open();
    net.last().send(frame(1, { event: "cache_hit", t: 0 }) + frame(2, { event: "retry", message: "Again", t: 0 }) + frame(3, { event: "progress", step: 1 }));
    await waitFor(() => expect(result.current.logs.map(({ text }) => text)).toEqual(["⚡ Cache hit", "Again"]));
  });

  it("renders once for many events of one frame, and returns the same result while nothing changes", async () => {
    let renders = 0;
    const { result, rerender } = renderHook(() => {
      renders += 1;
      return useLogStream("/s");
    });
    await requested(1);
    net.last().open();
    await waitFor(() => expect(result.current.status).toBe("open"));
    const before = renders;
    net.last().send(Array.from({ length: 1000 }, (_, index) => frame(index + 1, log(`${index}`))).join(""));
    await waitFor(() => expect(result.current.logs).toHaveLength(1000));
    expect(renders - before).toBeLessThanOrEqual(2);
    const { current } = result;
    rerender();
    expect(result.current).toBe(current);
  });

  it("close, clear and reconnect", async () => {
    const { result } = render({ url: "/s" });
    await requested(1);
    net.last().open();
    net.last().send(frame(1, log("one")));
    await waitFor(() => expect(result.current.logs).toHaveLength(1));
    act(() => result.current.clear());
    expect(result.current.logs).toEqual([]);
    act(() => result.current.close());
    await waitFor(() => expect(result.current).toMatchObject({ status: "idle", active: false }));
    act(() => result.current.reconnect());
    await requested(2);
    expect(net.last().headers.get("last-event-id")).toBe("1");
  });

  it("renders on a server without requests", () => {
    function Page() {
      const { logs, active } = useLogStream("/s");
      return <LogPanel logs={logs} active={active} />;
    }
    expect(renderToString(<Page />)).toContain("Starting");
    expect(net.requests).toHaveLength(0);
  });
});

describe("React 17, which has no useSyncExternalStore", () => {
  it("follows a stream, too", async () => {
    vi.resetModules();
    vi.doMock("react", async (original) => ({ ...(await original<typeof React>()), useSyncExternalStore: undefined }));
    const { useLogStream: useLogStream17 } = await import("../src/hooks/useLogStream.js");
    vi.doUnmock("react");
    const { result } = renderHook(() => useLogStream17("/s"));
    await requested(1);
    net.last().open();
    net.last().send(frame(1, log("one")) + frame(2, { event: "done", status: "completed" }));
    await waitFor(() => expect(result.current).toMatchObject({ status: "ended", logs: [{ text: "one" }] }));
  });
});
