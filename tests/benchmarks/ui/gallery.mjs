// Pictures of the panel in its states, light and dark, narrow and wide: `node gallery.mjs [folder]`.
import { fork } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "vite";
import { chromiumPath, launch } from "./chromium.mjs";

const here = import.meta.dirname;
const folder = process.argv[2] ?? join(here, "dist/pictures");
await build({ configFile: join(here, "vite.config.mjs") });
mkdirSync(folder, { recursive: true });
const server = fork(join(here, "server.mjs"));
const port = await new Promise((resolve) => server.once("message", resolve));
const browser = await launch(chromiumPath());
try {
  for (const width of [400, 1200]) {
    for (const dark of [false, true]) {
      const page = await browser.page(`http://127.0.0.1:${port}/gallery.html`, { width, height: 2000, dark });
      // Someone looks for an error, goes back two of them, and scrolls away while lines come in.
      await page.evaluate(`new Promise((resolve) => {
        const away = document.querySelector("#growing [role=log]");
        away.dispatchEvent(new WheelEvent("wheel", { deltaY: -50 }));
        away.scrollTop -= 300;
        const input = document.querySelector("#full input");
        Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set.call(input, "parse the TABLE");
        input.dispatchEvent(new Event("input", { bubbles: true }));
        setTimeout(() => {
          for (let step = 0; step < 2; step += 1) document.querySelector("#full [aria-label='Previous match']").click();
          setTimeout(resolve, 1000);
        }, 100);
      })`);
      const { data } = await page.send("Page.captureScreenshot", { format: "png" });
      writeFileSync(join(folder, `panel-${width}-${dark ? "dark" : "light"}.png`), Buffer.from(data, "base64"));
      await page.close();
    }
  }
} finally {
  await browser.close();
  server.disconnect();
}
console.log(`Pictures are in ${folder}`);
