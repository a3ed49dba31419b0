import { useState } from "react";
import type { ReactNode } from "react";
import { explainHere } from "../app/api";
import { useResource } from "../app/resource";
import { useTitle } from "../app/title";
import { listJobs } from "./api";
import type { Stats } from "./api";
import { EndedJob, LiveJob } from "./JobRow";
import { useStats } from "./useStats";
import type { LiveStats } from "./useStats";
import "./dashboard.css";

const FIRST = 10;

/** What runs now, in whichever server process, and what has ended; all of it live. */
export function DashboardPage() {
  const { stats, jobs, status } = useStats();
  useTitle(stats === null || stats.processing_count === 0 ? "Dashboard" : `${stats.processing_count} running`);
  // Another question whenever a job has begun or ended.
  const ended = stats === null ? "" : `${stats.processing_count}-${stats.completed}-${stats.failed}-${stats.cancelled}`;
  const past = useResource(`dashboard-jobs:${ended}`, listJobs);

  return (
    <>
      <header className="dashboard-head">
        <h1>Dashboard</h1>
        <Connection status={status} />
      </header>
      <Totals stats={stats} />
      <Section id="running" title="Running now">
        {stats === null ? (
          <p className="empty">Loading the jobs</p>
        ) : jobs.length === 0 ? (
          <p key="none" className="empty">
            <strong>Nothing runs now</strong>A job that is started, here or elsewhere, shows up by itself.
          </p>
        ) : (
          <ul className="rows">
            {jobs.map((job) => (
              <LiveJob key={job.job_id} job={job} />
            ))}
          </ul>
        )}
      </Section>
      <Section id="ended" title="Ended">
        <Ended jobs={past.data} error={past.error} />
      </Section>
    </>
  );
}

function Ended({ jobs, error }: { readonly jobs: Awaited<ReturnType<typeof listJobs>> | null; readonly error: unknown }) {
  const [all, setAll] = useState(false);
  const ended = jobs?.filter(({ status }) => status !== "running") ?? null;
  if (ended === null) return <p className="empty">{explainHere(error) ?? "Loading the jobs"}</p>;
  if (ended.length === 0) return <p className="empty">No job has ended yet.</p>;
  const shown = all ? ended : ended.slice(0, FIRST);
  return (
    <>
      <ul className="rows">
        {shown.map((job) => (
          <EndedJob key={job.job_id} job={job} />
        ))}
      </ul>
      {shown.length < ended.length && (
        <button type="button" className="button button--plain rows__more" onClick={() => setAll(true)}>
          {`Show ${ended.length - shown.length} older`}
        </button>
      )}
    </>
  );
}

function Section({ id, title, children }: { readonly id: string; readonly title: string; readonly children: ReactNode }) {
  return (
    <section className="dashboard-section" aria-labelledby={`dashboard-${id}`}>
      <h2 id={`dashboard-${id}`}>{title}</h2>
      {children}
    </section>
  );
}

const totals = [
  ["processing_count", "Running"],
  ["completed", "Completed"],
  ["failed", "Failed"],
  ["cancelled", "Cancelled"],
  ["rate_per_minute", "Ended in the last minute"],
] as const;

function Totals({ stats }: { readonly stats: Stats | null }) {
  return (
    <dl className="totals">
      {totals.map(([name, label]) => (
        <div key={name} className={`total total--${name}`}>
          <dt>{label}</dt>
          <dd translate="no">{stats === null ? "–" : stats[name].toLocaleString()}</dd>
        </div>
      ))}
    </dl>
  );
}

function Connection({ status }: { readonly status: LiveStats["status"] }) {
  if (status === "open") return <span className="badge badge--live">Live</span>;
  if (status === "reconnecting") return <span className="badge badge--warn">Reconnecting</span>;
  if (status === "failed" || status === "lost") return <span className="badge badge--bad">No connection</span>;
  return <span className="badge badge--busy">Connecting</span>;
}
