import { useCallback, useEffect, useState } from "react";
import { explainHere } from "../app/api";
import type { Job, Source } from "./api";
import { DeliverySwitch } from "./DeliverySwitch";
import { JobCard } from "./JobCard";
import type { Delivery } from "./delivery";

export interface JobListProps {
  readonly jobs: readonly Job[] | null;
  readonly error: unknown;
  readonly delivery: Delivery;
  readonly onDelivery: (delivery: Delivery) => void;
  readonly onChange: () => void;
  readonly sourceOf: (job: Job) => Source | null;
  readonly onAgain: (source: Source) => void;
}

const FIRST = 10;

/** All jobs, the newest first. Running ones stand open; a past one is opened by its name, from the store. */
export function JobList({ jobs, error, delivery, onDelivery, onChange, sourceOf, onAgain }: JobListProps) {
  const [choices, onToggle] = useOpenJobs(jobs);
  const [all, setAll] = useState(false);

  const shown = jobs?.filter((job, index) => all || index < FIRST || job.status === "running") ?? [];
  const hidden = (jobs?.length ?? 0) - shown.length;

  return (
    <section className="jobs" aria-labelledby="jobs-heading">
      <div className="section-head">
        <h2 id="jobs-heading">Jobs</h2>
        <DeliverySwitch value={delivery} onChange={onDelivery} />
      </div>
      {jobs === null ? (
        <p className="empty">{explainHere(error) ?? "Loading the jobs"}</p>
      ) : jobs.length === 0 ? (
        <p key="none" className="empty">
          <strong>No jobs yet</strong>
          Add a document above, and watch the work on it here, line by line.
        </p>
      ) : (
        <ol className="job-list">
          {shown.map((job) => (
            <li key={job.job_id}>
              <JobCard
                job={job}
                delivery={delivery}
                open={choices[job.job_id] ?? false}
                onToggle={onToggle}
                onChange={onChange}
                source={sourceOf(job)}
                onAgain={onAgain}
              />
            </li>
          ))}
        </ol>
      )}
      {hidden > 0 && (
        <button type="button" className="button button--plain more" onClick={() => setAll(true)}>
          {`Show ${hidden} older`}
        </button>
      )}
    </section>
  );
}

const KEY = "open-jobs";

type Choices = Readonly<Record<string, boolean>>;

/**
 * Which logs are open. A job that is seen running is opened, and stays so after its end until it is closed.
 * The tab keeps it over a reload.
 */
function useOpenJobs(jobs: readonly Job[] | null): [Choices, (job: Job, open: boolean) => void] {
  const [choices, setChoices] = useState<Choices>(readChoices);

  const fresh = jobs?.filter((job) => job.status === "running" && choices[job.job_id] === undefined) ?? [];
  if (fresh.length > 0) {
    setChoices({ ...choices, ...Object.fromEntries(fresh.map((job) => [job.job_id, true])) });
  }

  useEffect(() => {
    if (jobs === null) return;
    const listed = jobs.flatMap((job) => {
      const open = choices[job.job_id];
      return open === undefined ? [] : [[job.job_id, open] as const];
    });
    try {
      sessionStorage.setItem(KEY, JSON.stringify(Object.fromEntries(listed)));
    } catch {
      // Storage is blocked or full: a reload will forget, and nothing else is lost.
    }
  }, [jobs, choices]);

  const onToggle = useCallback((job: Job, open: boolean) => {
    setChoices((before) => ({ ...before, [job.job_id]: open }));
  }, []);
  return [choices, onToggle];
}

function readChoices(): Choices {
  try {
    const stored: unknown = JSON.parse(sessionStorage.getItem(KEY) ?? "{}");
    return typeof stored === "object" && stored !== null ? (stored as Choices) : {};
  } catch {
    return {}; // blocked, or not ours
  }
}
