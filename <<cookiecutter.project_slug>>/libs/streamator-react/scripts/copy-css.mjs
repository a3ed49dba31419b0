// tsc emits no CSS: the style sheets go beside the modules as they are.
import { copyFile } from "node:fs/promises";

for (const name of ["log/log.css", "log/log-compat.css", "panels/panels.css", "parts/controls.css", "parts/theme.css"]) {
  await copyFile(new URL(`../src/${name}`, import.meta.url), new URL(`../dist/${name}`, import.meta.url));
}
