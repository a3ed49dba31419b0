import { act, cleanup, renderHook, waitFor } from "@testing-library/react";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { ApiError } from "../src/app/api";
import { backend } from "../src/app/backend";
import { useResource } from "../src/app/resource";

const offline = new ApiError("offline", 0, "The backend does not answer.");

beforeEach(() => {
  vi.stubGlobal("fetch", async () => Response.json({ status: "ok", store: { name: "memory", degraded: null }, jobs: { workers: "inline", running: 0, degraded: null } }));
});
afterEach(() => {
  cleanup();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

it("keeps the data's identity when an answer says nothing new", async () => {
  const load = vi.fn<() => Promise<{ jobs: string[] }>>(async () => ({ jobs: ["a"] }));
  const { result } = renderHook(() => useResource("jobs", load));
  await waitFor(() => expect(result.current.data).toEqual({ jobs: ["a"] }));
  const before = result.current.data;
  act(() => result.current.refresh());
  await waitFor(() => expect(load).toHaveBeenCalledTimes(2));
  await act(async () => {});
  expect(result.current.data).toBe(before);
});

it("shows the answer to the latest question only, however late the others come", async () => {
  const answers = new Map<string, (text: string) => void>();
  const { result, rerender } = renderHook(
    ({ query }) => useResource(query, () => new Promise<string>((resolve) => answers.set(query, resolve))),
    { initialProps: { query: "old" } },
  );
  rerender({ query: "new" });
  await act(async () => answers.get("new")?.("new answer"));
  await act(async () => answers.get("old")?.("old answer"));
  expect(result.current.data).toBe("new answer");
});

it("tries again by itself when there was no answer, and keeps what it has meanwhile", async () => {
  vi.useFakeTimers();
  const load = vi.fn<() => Promise<string>>().mockResolvedValueOnce("first").mockRejectedValueOnce(offline).mockResolvedValueOnce("second");
  const { result } = renderHook(() => useResource("documents", load));
  await act(() => vi.advanceTimersByTimeAsync(0));
  expect(result.current.data).toBe("first");
  act(() => result.current.refresh());
  await act(() => vi.advanceTimersByTimeAsync(0));
  expect(result.current).toMatchObject({ data: "first", error: offline });
  await act(() => vi.advanceTimersByTimeAsync(2_000));
  expect(result.current).toMatchObject({ data: "second", error: null });
});

it("does not insist on what is not there", async () => {
  vi.useFakeTimers();
  const gone = new ApiError("not-found", 404, "Not found.");
  const load = vi.fn<() => Promise<string>>().mockRejectedValue(gone);
  const { result } = renderHook(() => useResource("job", load));
  await act(() => vi.advanceTimersByTimeAsync(60_000));
  expect(result.current.error).toBe(gone);
  expect(load).toHaveBeenCalledTimes(1);
});

it("loads again when the backend comes back", async () => {
  const load = vi.fn<() => Promise<string>>().mockResolvedValue("data");
  renderHook(() => useResource("config", load));
  await waitFor(() => expect(load).toHaveBeenCalledTimes(1));
  vi.stubGlobal("fetch", async () => {
    throw new TypeError("refused");
  });
  await act(async () => expect(await backend.check()).toBe(false));
  expect(load).toHaveBeenCalledTimes(1);
  act(() => backend.answered());
  await waitFor(() => expect(load).toHaveBeenCalledTimes(2));
});
