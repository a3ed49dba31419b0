import { useState } from "react";
import "streamator-react/ansi";
import "streamator-react/large";
import "streamator-react/toolbar";
import { DraftPanel, LogPanel, ProgressPanel, useJob } from "streamator-react";
import { explainHere, request } from "../app/api";
import { formatWhen } from "../app/format";
import { useResource } from "../app/resource";
import type { components } from "../app/schema";

type Jobs = components["schemas"]["Jobs"];

/** The log's route, which can be polled too: that of `api/job` cannot, and seven tabs would take all connections. */
const streamUrl = (jobId: string): string => `api/log/${jobId}/stream`;

export function JobExample() {
  const { data, error } = useResource("the example's jobs", (signal) => request<Jobs>("api/jobs?limit=20", { signal }), () => 5_000);
  const [jobId, setJobId] = useState<string | null>(null);
  const job = useJob(null, { jobId, prefix: "api/job", streamUrl });
  const active = job.state === "running";
  const trouble = job.error?.message ?? explainHere(error);

  return (
    <>
      <div className="example__choice">
        <label htmlFor="example-job">Job</label>
        <select id="example-job" className="field" value={jobId ?? ""} disabled={!data?.jobs.length} onChange={(event) => setJobId(event.target.value)}>
          <option value="" disabled>
            {data?.jobs.length === 0 ? "None has run yet: start one on another page" : "Choose one"}
          </option>
          {data?.jobs.map(({ job_id, kind, source, status, created_at }) => (
            <option key={job_id} value={job_id}>
              {`${formatWhen(created_at)} · ${kind} · ${source} · ${status}`}
            </option>
          ))}
        </select>
        <button type="button" className="button button--danger" disabled={!active || job.cancelling} onClick={() => void job.cancel()}>
          {job.cancelling ? "Cancelling" : "Cancel"}
        </button>
      </div>
      <ProgressPanel {...job.progress} state={job.state} startedAt={job.startedAt} endedAt={job.endedAt} />
      {job.draft !== "" && <DraftPanel text={job.draft} active={active} title="Draft" />}
      <LogPanel logs={job.stream.logs} active={job.stream.active} ansi connection={job.state === "idle" ? undefined : job.stream} />
      {trouble !== null && <p className="note note--bad">{trouble}</p>}
    </>
  );
}
