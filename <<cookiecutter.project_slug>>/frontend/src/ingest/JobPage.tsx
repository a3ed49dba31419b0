import { useCallback } from "react";
import { ApiError, explainHere } from "../app/api";
import { Icon } from "../app/icons";
import { useResource } from "../app/resource";
import { useTitle } from "../app/title";
import { getJob } from "./api";
import type { Job, Source } from "./api";
import { DeliverySwitch } from "./DeliverySwitch";
import { JobCard, shortName } from "./JobCard";
import type { Delivery } from "./delivery";

export interface JobPageProps {
  readonly id: string;
  readonly delivery: Delivery;
  readonly onDelivery: (delivery: Delivery) => void;
  readonly onChange: () => void;
  readonly sourceOf: (job: Job) => Source | null;
  readonly onAgain: (source: Source) => void;
}

const everyTwoSeconds = (): number => 2_000;

/** One job with all the room there is: what a link to a job leads to. */
export function JobPage({ id, delivery, onDelivery, onChange, sourceOf, onAgain }: JobPageProps) {
  const { data: job, error, refresh } = useResource(`job:${id}`, (signal) => getJob(id, signal), everyTwoSeconds);
  useTitle(job === null ? "Job" : shortName(job.source));
  const changed = useCallback(() => {
    refresh();
    onChange();
  }, [refresh, onChange]);

  return (
    <section className="job-page" aria-label="Job">
      <div className="section-head">
        <a className="button button--plain job-page__back" href="#/">
          <Icon name="back" />
          All jobs
        </a>
        <DeliverySwitch value={delivery} onChange={onDelivery} />
      </div>
      {job !== null ? (
        <JobCard job={job} delivery={delivery} open onChange={changed} source={sourceOf(job)} onAgain={onAgain} />
      ) : error instanceof ApiError && error.kind === "not-found" ? (
        <p key="none" className="empty">
          <strong>There is no job with this id.</strong>
          It was never started here, or has been cleared away. <a href="#/">See all jobs</a>
        </p>
      ) : (
        <p className="empty">{explainHere(error) ?? "Loading the job"}</p>
      )}
    </section>
  );
}
