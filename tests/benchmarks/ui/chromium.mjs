// Chromium by its own protocol over a pipe. Nothing is switched on in it but what a measure needs: Playwright and
// Puppeteer turn on the network inspector, which slows every event of a stream.
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const FLAGS = [
  "--headless=new",
  "--remote-debugging-pipe",
  "--no-sandbox",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-extensions",
  "--disable-sync",
  "--mute-audio",
];

/** The Chromium of CHROMIUM_PATH, else the one that the template's projects find. */
export function chromiumPath() {
  const find = join(import.meta.dirname, "../../../<<cookiecutter.project_slug>>/scripts/browser.py");
  return process.env.CHROMIUM_PATH || execFileSync("python3", [find], { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] }).trim();
}

/** Seconds of the main thread so far, by what Chromium says that it did with them. */
export async function spent(page) {
  const { metrics } = await page.send("Performance.getMetrics");
  return Object.fromEntries(metrics.filter(({ name }) => name.endsWith("Duration")).map(({ name, value }) => [name, value]));
}

/** Starts the browser at `path`; `page(url)` opens a page in it, `close()` ends it. */
export async function launch(path) {
  const profile = mkdtempSync(join(tmpdir(), "bench-ui-"));
  const process = spawn(path, [...FLAGS, `--user-data-dir=${profile}`, "about:blank"], { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
  const ended = new Promise((resolve) => process.once("exit", resolve));
  const calls = new Map();
  let last = 0;
  let rest = "";
  process.stdio[4].setEncoding("utf8").on("data", (text) => {
    const messages = (rest + text).split("\0");
    rest = messages.pop();
    for (const message of messages) {
      const { id, result, error } = JSON.parse(message);
      calls.get(id)?.(error, result);
      calls.delete(id);
    }
  });
  void ended.then((code) => {
    for (const call of calls.values()) call({ message: `the browser ended with code ${code}` });
  });

  const send = (method, params = {}, sessionId = undefined) =>
    new Promise((resolve, reject) => {
      const id = (last += 1);
      calls.set(id, (error, result) => (error ? reject(new Error(`${method}: ${error.message}`)) : resolve(result)));
      process.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    });

  return {
    async page(url, { width = 1000, height = 800, dark = false } = {}) {
      const { targetId } = await send("Target.createTarget", { url: "about:blank" });
      const { sessionId } = await send("Target.attachToTarget", { targetId, flatten: true });
      const page = {
        send: (method, params) => send(method, params, sessionId),
        async evaluate(expression) {
          const { result, exceptionDetails } = await page.send("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
          if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
          return result.value;
        },
        close: () => send("Target.closeTarget", { targetId }),
      };
      await page.send("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile: false });
      if (dark) await page.send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: "dark" }] });
      await page.send("Page.navigate", { url });
      for (;;) {
        if (await page.evaluate("document.readyState === 'complete' && typeof bench === 'object'").catch(() => false)) return page;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
    async close() {
      await Promise.race([send("Browser.close").catch(() => undefined), ended]);
      await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 3000))]);
      if (process.exitCode === null) process.kill("SIGKILL");
      await ended;
      rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    },
  };
}
