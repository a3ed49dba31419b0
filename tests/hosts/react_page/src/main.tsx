import { StrictMode } from "react";
import { App } from "./App";
import { More } from "./More";
import { hydrate, render } from "./roots";
import { shownAtTheEnd } from "./shown";
import "streamator-react/log.css";
import "streamator-react/panels.css";

const { base = "", name = "" } = Object.fromEntries(new URLSearchParams(location.search));
hydrate(
  <StrictMode>
    <App base={base} name={name} />
  </StrictMode>,
  document.getElementById("root")!,
);
render(<More />, document.getElementById("more")!);
Object.assign(globalThis, { shownAtTheEnd });
