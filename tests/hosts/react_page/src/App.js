// No JSX and no style sheet: Node runs it as it is.
import { createElement } from "react";
import { ActivityPanel, activitiesAfter, DraftPanel, LogPanel, ProgressPanel, useJob, useLogStream } from "streamator-react";

const NOBODY = [];

/** Every hook and panel: a log that is streamed, the same log polled, and all of a job. `base` is where the logs are. */
export function App({ base, name }) {
  const url = `${base}/${name}/stream`;
  const streamed = useLogStream(url);
  const polled = useLogStream(url, { mode: "poll", interval: 20 });
  const job = useJob(null, { prefix: base, jobId: `${name}-job`, resultUrl: null });
  const { logs, active } = job.stream;
  return createElement(
    "main",
    null,
    createElement("p", { id: "states" }, [streamed.status, polled.status, job.state].join(" ")),
    createElement(LogPanel, { logs: streamed.logs, active: streamed.active, connection: streamed, toolbar: true }),
    createElement(LogPanel, { logs: polled.logs, active: polled.active }),
    createElement(LogPanel, { logs, active }),
    createElement(ProgressPanel, { ...job.progress, state: job.state }),
    createElement(DraftPanel, { text: job.draft, active }),
    createElement(ActivityPanel, { activities: job.events.reduce(activitiesAfter, NOBODY) }),
  );
}
