/** What streamator-react has for a page of yours: each part alone, with the source that shows it. */

// oxlint-disable import/default -- Vite gives a file's text under ?raw

import type { ComponentType } from "react";
import { ActivityExample } from "streamator-react/examples/ActivityExample";
import activitySource from "streamator-react/examples/ActivityExample?raw";
import { DraftExample } from "streamator-react/examples/DraftExample";
import draftSource from "streamator-react/examples/DraftExample?raw";
import { LogExample } from "streamator-react/examples/LogExample";
import logSource from "streamator-react/examples/LogExample?raw";
import { ProgressExample } from "streamator-react/examples/ProgressExample";
import progressSource from "streamator-react/examples/ProgressExample?raw";
import { JobExample } from "./JobExample";
import jobSource from "./JobExample?raw";
import "./examples.css";

interface Example {
  readonly name: string;
  readonly about: string;
  readonly Component: ComponentType;
  readonly source: string;
}

const examples: readonly Example[] = [
  { name: "useJob", about: "One job in one hook: start or find it, follow it, cancel it, have its result. Here, any job of yours.", Component: JobExample, source: jobSource },
  { name: "LogPanel", about: "A log with its tools. The worker of this job is lost: another one goes on, in the same log, below a rule. Each attempt can be looked at alone.", Component: LogExample, source: logSource },
  { name: "ProgressPanel", about: "How far it is: stages, a bar, what is done now and for how long.", Component: ProgressExample, source: progressSource },
  { name: "DraftPanel", about: "A text while it is written. The end stays in view until you scroll away.", Component: DraftExample, source: draftSource },
  { name: "ActivityPanel", about: "A lane for each of those at work. Who gives no sign for five seconds is greyed out.", Component: ActivityExample, source: activitySource },
];

export function ComponentsPage() {
  return (
    <div className="examples">
      <h1>Components</h1>
      {examples.map(({ name, about, Component, source }) => (
        <section key={name} className="example" aria-labelledby={`example-${name}`}>
          <h2 id={`example-${name}`} translate="no">
            {name}
          </h2>
          <p className="soft">{about}</p>
          <Component />
          <details className="example__source">
            <summary>Source</summary>
            {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls must be reachable by keyboard */}
            <pre tabIndex={0} translate="no">{source}</pre>
          </details>
        </section>
      ))}
    </div>
  );
}
