import { useCallback, useEffect, useRef, useState } from "react";
import { ApiError } from "./api";
import { useBackend } from "./backend";

const never = (): null => null;

/** After a failure that may pass by itself. */
const RETRY_MS = 2_000;

export interface Resource<T> {
  /** The last good answer; null before the first. It stays while newer ones are on their way or fail. */
  readonly data: T | null;
  /** What the last try threw, null when it went well; explain() words it. */
  readonly error: unknown;
  /** Loads now. */
  readonly refresh: () => void;
  /** Changes the data in place: for what the page knows before the server says so. */
  readonly update: (change: (data: T | null) => T | null) => void;
}

/**
 * Loads something and keeps it fresh: at once, whenever `key` changes, when the backend comes back, when the
 * page is looked at again, and as many milliseconds after each answer as `every` says of it (null: not by the clock).
 * What failed for want of an answer, or by the server's fault, is tried again soon.
 *
 * Only the answer to the latest question counts, and one that says nothing new changes nothing:
 * `data` keeps its identity. `load` and `every` may be new functions at each render.
 */
export function useResource<T>(
  key: string,
  load: (signal: AbortSignal) => Promise<T>,
  every: (data: T | null) => number | null = never,
): Resource<T> {
  const { returns } = useBackend();
  const [data, setData] = useState<T | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [asked, setAsked] = useState(0);
  const refresh = useCallback(() => setAsked((count) => count + 1), []);
  const current = useRef({ load, every, data });
  useEffect(() => {
    current.current = { load, every, data };
  });

  useEffect(() => {
    const abort = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;

    const run = async (): Promise<void> => {
      let latest = current.current.data;
      let soon = Number.POSITIVE_INFINITY;
      try {
        const next = await current.current.load(abort.signal);
        if (abort.signal.aborted) return;
        latest = next;
        setData((before) => (JSON.stringify(before) === JSON.stringify(next) ? before : next));
        setError(null);
      } catch (failure) {
        if (abort.signal.aborted) return;
        setError(failure);
        if (failure instanceof ApiError && (failure.kind === "offline" || failure.kind === "server")) soon = RETRY_MS;
      }
      const pause = Math.min(current.current.every(latest) ?? Number.POSITIVE_INFINITY, soon);
      if (pause !== Number.POSITIVE_INFINITY) timer = setTimeout(() => (document.hidden ? undefined : void run()), pause);
    };
    const onVisible = (): void => {
      if (!document.hidden) refresh();
    };

    void run();
    document.addEventListener("visibilitychange", onVisible);
    return () => {
      abort.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", onVisible);
    };
    // oxlint-disable-next-line react/exhaustive-effect-dependencies -- a change of any of these is a new question
  }, [key, asked, returns, refresh]);

  return { data, error, refresh, update: setData };
}
