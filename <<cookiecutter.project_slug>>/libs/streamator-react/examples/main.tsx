import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import "streamator-react/log.css";
import "streamator-react/panels.css";
import { ActivityExample } from "./ActivityExample";
import { DraftExample } from "./DraftExample";
import { EventsExample } from "./EventsExample";
import { JobExample } from "./JobExample";
import { LogExample } from "./LogExample";
import { ProgressExample } from "./ProgressExample";

const EXAMPLES = { useJob: JobExample, LogPanel: LogExample, ProgressPanel: ProgressExample, DraftPanel: DraftExample, ActivityPanel: ActivityExample, streamEvents: EventsExample };

createRoot(document.getElementById("root") as HTMLElement).render(
  <StrictMode>
    <h1>streamator-react</h1>
    {Object.entries(EXAMPLES).map(([name, Example]) => (
      <section key={name} aria-labelledby={name}>
        <h2 id={name}>{name}</h2>
        <Example />
      </section>
    ))}
  </StrictMode>,
);
