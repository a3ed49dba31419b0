import { useCallback, useMemo, useState } from "react";
import type { PageProps } from "../app/pages";
import { useResource } from "../app/resource";
import { navigate } from "../app/router";
import { useStored } from "../app/stored";
import { useTitle } from "../app/title";
import { AddDocuments } from "./AddDocuments";
import { listJobs } from "./api";
import type { Job, JobStatus } from "./api";
import { MODES } from "./delivery";
import type { Delivery } from "./delivery";
import { JobList } from "./JobList";
import { JobPage } from "./JobPage";
import { Library } from "./Library";
import { Reader } from "./Reader";
import { useStarts } from "./starts";
import "./ingest.css";

const DELIVERIES = Object.keys(MODES) as readonly Delivery[];
const BUSY_MS = 2_000;
const QUIET_MS = 15_000;

/** Documents come in on the left, each by a job that is seen at work; what came of them is on the right. */
export function IngestPage({ route, params }: PageProps) {
  const [delivery, setDelivery] = useStored("delivery", DELIVERIES, "stream");
  const [deleted, setDeleted] = useState(0);
  const jobs = useJobs();
  const { add, refresh } = jobs;

  const onStarted = useCallback(
    (job: Job) => {
      add(job);
      refresh();
    },
    [add, refresh],
  );
  const starts = useStarts(onStarted, delivery);
  const { start } = starts;

  const onJobPage = route === "/jobs/:id";
  useTitle(onJobPage || jobs.running === 0 ? null : `${jobs.running} running`);

  // "Run again" on a job's own page leads to the list, where the new job shows.
  const onAgain = useCallback(
    (source: Parameters<typeof start>[0][number]) => {
      start([source]);
      navigate("/");
    },
    [start],
  );

  if (onJobPage) {
    return (
      <JobPage
        key={params.id}
        id={params.id ?? ""}
        delivery={delivery}
        onDelivery={setDelivery}
        onChange={refresh}
        sourceOf={starts.sourceOf}
        onAgain={onAgain}
      />
    );
  }

  return (
    <>
      <AddDocuments starts={starts} />
      <nav className="views" aria-label="On this page">
        <a href="#/" aria-current={route === "/" ? "page" : undefined}>
          Jobs
        </a>
        <a href="#/library" aria-current={route === "/" ? undefined : "page"}>
          Library
        </a>
      </nav>
      <div className="workspace" data-view={route === "/" ? "jobs" : "library"}>
        <JobList
          jobs={jobs.data}
          error={jobs.error}
          delivery={delivery}
          onDelivery={setDelivery}
          onChange={refresh}
          sourceOf={starts.sourceOf}
          onAgain={onAgain}
        />
        <Library version={`${jobs.completed}-${deleted}`} />
      </div>
      {route === "/documents/:id" && <Reader key={params.id} id={params.id ?? ""} onDeleted={() => setDeleted((times) => times + 1)} />}
    </>
  );
}

function useJobs() {
  const { data, error, refresh, update } = useResource("jobs", listJobs, pace);
  const add = useCallback(
    (job: Job) => update((all) => [job, ...(all ?? []).filter(({ job_id }) => job_id !== job.job_id)]),
    [update],
  );
  return useMemo(
    () => ({ data, error, refresh, add, running: count(data, "running"), completed: count(data, "completed") }),
    [data, error, refresh, add],
  );
}

/** The list is asked for often while a job runs, and seldom while none does. */
function pace(jobs: readonly Job[] | null): number {
  return count(jobs, "running") > 0 ? BUSY_MS : QUIET_MS;
}

function count(jobs: readonly Job[] | null, wanted: JobStatus): number {
  return jobs?.filter(({ status }) => status === wanted).length ?? 0;
}
