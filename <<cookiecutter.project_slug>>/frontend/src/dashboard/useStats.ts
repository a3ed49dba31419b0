import { useCallback, useState } from "react";
import { useLogStream } from "streamator-react";
import type { StreamEvent, StreamStatus } from "streamator-react";
import { useBackAtOnce } from "../app/useBackAtOnce";
import { STATS_URL } from "./api";
import type { Stats, StatsJob } from "./api";

/** A job that runs, and when it began by this browser's clock. */
export interface RunningJob extends StatsJob {
  readonly startedAt: number;
}

export interface LiveStats {
  /** Null before the first; the last that is known while the connection is broken. */
  readonly stats: Stats | null;
  readonly jobs: readonly RunningJob[];
  readonly status: StreamStatus;
}

/** The counts, live. */
export function useStats(): LiveStats {
  const [now, setNow] = useState<Pick<LiveStats, "stats" | "jobs">>({ stats: null, jobs: [] });
  const onEvent = useCallback((event: StreamEvent) => {
    if (event.event !== "stats") return;
    const stats = event as unknown as Stats;
    const at = Date.now();
    setNow((before) => ({ stats, jobs: stats.jobs.map((job) => running(job, at, before.jobs)) }));
  }, []);
  const stream = useLogStream(STATS_URL, { onEvent, formatEvent: noLine, maxEntries: 1, interval: 2_000 });
  useBackAtOnce(stream);
  return { ...now, status: stream.status };
}

const noLine = (): null => null;

/** The start stays what it was found to be first: an event that was long on its way would set a clock back. */
function running(job: StatsJob, at: number, before: readonly RunningJob[]): RunningJob {
  const startedAt = before.find(({ job_id }) => job_id === job.job_id)?.startedAt ?? at - job.age_seconds * 1_000;
  return { ...job, startedAt };
}
