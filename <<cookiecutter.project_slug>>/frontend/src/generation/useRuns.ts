import { useCallback, useMemo, useRef, useState } from "react";
import { explain } from "../app/api";
import { useResource } from "../app/resource";
import { generateContent, listRuns } from "./api";
import type { Run, RunParams } from "./api";

/** A run as the page shows it: one that the server lists, one that was started here, or both. */
export interface RunItem {
  /** The same for as long as the page is open. */
  readonly key: string;
  readonly run: Run | null;
  /** What it is started with: by its card, which then streams it. */
  readonly params: RunParams | null;
  readonly jobId: string | null;
  readonly title: string;
}

/** A run that was started here with streaming, and its id once it is known. */
interface Started {
  readonly key: string;
  readonly params: RunParams;
  readonly title: string;
  readonly jobId: string | null;
}

/** A run that was started here without streaming, and could not be. */
export interface Refusal {
  readonly key: string;
  readonly params: RunParams;
  readonly title: string;
  readonly message: string;
}

export interface Runs {
  /** Null until the server has answered. */
  readonly items: readonly RunItem[] | null;
  readonly error: unknown;
  readonly refusals: readonly Refusal[];
  readonly running: number;
  readonly start: (params: RunParams, title: string, streaming: boolean) => void;
  /** Its card knows by now which run it is. */
  readonly identify: (key: string, jobId: string) => void;
  /** Takes away what never became a run. */
  readonly dismiss: (key: string) => void;
  readonly refresh: () => void;
}

const BUSY_MS = 2_000;
const QUIET_MS = 15_000;
const SOON_MS = 300;

/** The user's runs, the newest first, with those that were just started here. */
export function useRuns(): Runs {
  const { data, error, refresh } = useResource("runs", listRuns, pace);
  const [started, setStarted] = useState<readonly Started[]>([]);
  const [refusals, setRefusals] = useState<readonly Refusal[]>([]);
  const nextKey = useRef(1);

  const start = useCallback(
    (params: RunParams, title: string, streaming: boolean) => {
      const key = `started-${nextKey.current++}`;
      if (streaming) {
        setStarted((all) => [{ key, params, title, jobId: null }, ...all]);
        return;
      }
      // The list shows it while its answer is waited for.
      setTimeout(refresh, SOON_MS);
      generateContent(params).then(refresh, (failure: unknown) => {
        refresh();
        setRefusals((all) => [{ key, params, title, message: explain(failure) }, ...all]);
      });
    },
    [refresh],
  );
  const identify = useCallback(
    (key: string, jobId: string) => {
      setStarted((all) => all.map((one) => (one.key === key ? { ...one, jobId } : one)));
      refresh();
    },
    [refresh],
  );
  const dismiss = useCallback((key: string) => {
    setStarted((all) => all.filter((one) => one.key !== key));
    setRefusals((all) => all.filter((one) => one.key !== key));
  }, []);

  const items = useMemo(() => (data === null ? null : merge(data, started)), [data, started]);
  const running = data?.filter(({ status }) => status === "running").length ?? 0;
  return useMemo(
    () => ({ items, error, refusals, running, start, identify, dismiss, refresh }),
    [items, error, refusals, running, start, identify, dismiss, refresh],
  );
}

/** The server's list, each run under the key that its card has here, after those that it does not list yet. */
export function merge(runs: readonly Run[], started: readonly Started[]): readonly RunItem[] {
  const here = new Map(started.map((one) => [one.jobId, one]));
  const listed = runs.map((run): RunItem => {
    const own = here.get(run.job_id);
    return { key: own?.key ?? run.job_id, run, params: own?.params ?? null, jobId: run.job_id, title: run.title };
  });
  const known = new Set(runs.map(({ job_id }) => job_id));
  const fresh = started.filter(({ jobId }) => jobId === null || !known.has(jobId));
  return [...fresh.map(({ key, params, jobId, title }): RunItem => ({ key, run: null, params, jobId, title })), ...listed];
}

/** The list is asked for often while something runs, and seldom while nothing does. */
function pace(runs: readonly Run[] | null): number {
  return runs?.some(({ status }) => status === "running") ? BUSY_MS : QUIET_MS;
}
