import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import "./app/app.css"; // before the library's: it says in which order layers count
import "streamator-react/log.css";
import "streamator-react/panels.css";
import { guard } from "streamator-react";
import "streamator-react/recovery"; // a server that is deployed anew may not have its chunk any more
import { App } from "./app/App";
import { Boundary } from "./app/Boundary";
import { applyStoredTheme } from "./app/theme";

applyStoredTheme();
guard(Node.prototype); // a page may be translated: see tests/texts.test.ts

const root = document.getElementById("root");
if (root === null) throw new Error('index.html has no element with the id "root" to render into.');
createRoot(root).render(
  <StrictMode>
    <Boundary>
      <App />
    </Boundary>
  </StrictMode>,
);
