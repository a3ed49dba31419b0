import { useEffect, useState } from "react";
import { DraftPanel, LogPanel, ProgressPanel, useJob } from "streamator-react";

const KEPT = "example-job";

async function start(signal: AbortSignal): Promise<{ job_id: string }> {
  const response = await fetch("/jobs", { method: "POST", signal });
  if (!response.ok) throw new Error(`The server answered ${response.status}.`);
  return response.json();
}

export function JobExample() {
  // Kept in the browser, so that the job is found again after a reload.
  const [kept] = useState(() => localStorage.getItem(KEPT));
  const job = useJob<{ words: number }>(start, { jobId: kept });
  const { jobId, state, error, result } = job;
  useEffect(() => {
    if (jobId === null) localStorage.removeItem(KEPT);
    else localStorage.setItem(KEPT, jobId);
  }, [jobId]);

  const active = state === "starting" || state === "running";
  return (
    <>
      <div className="actions">
        <button type="button" className="button" disabled={active} onClick={job.start}>
          Start
        </button>
        <button type="button" className="button" disabled={!active || job.cancelling} onClick={() => void job.cancel()}>
          {job.cancelling ? "Cancelling" : "Cancel"}
        </button>
        <button type="button" className="button" disabled={state === "idle"} onClick={job.reset}>
          Reset
        </button>
      </div>
      <ProgressPanel {...job.progress} state={state} startedAt={job.startedAt} endedAt={job.endedAt} />
      <DraftPanel text={job.draft} active={active} title="Draft" />
      <LogPanel logs={job.stream.logs} active={job.stream.active} connection={job.stream} />
      {error ? <p role="alert">{error.message}</p> : null}
      {result ? <p>{result.words} words written.</p> : null}
    </>
  );
}
