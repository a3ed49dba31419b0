import { writeFileSync } from "node:fs";
import { App } from "../src/App";
import { render } from "../src/roots";
import { shownAtTheEnd } from "../src/shown";
import "streamator-react/log.css";

test("a log is shown", async () => {
  document.body.innerHTML = '<div id="root"></div>';
  render(<App base={process.env.LOG_BASE} name={process.env.LOG_NAME} />, document.getElementById("root")!);
  writeFileSync("shown.json", JSON.stringify(await shownAtTheEnd()));
}, 30_000);
