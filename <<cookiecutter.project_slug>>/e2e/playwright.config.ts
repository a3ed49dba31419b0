import { defineConfig } from "@playwright/test";
import { baseURL, launchOptions } from "./browser";
import { signsIn } from "./people";

/** Servers and machines behind nginx: they are the same whoever has signed in. */
const SERVERS = ["nginx", "servers", "machines"];

/** What a browser lets the page do is the same whatever the store, and filters.spec.ts has a server of its own. */
const BROWSER = ["filters", "tabs", "reading"];

/** What no store of logs has a part in. */
const PAGE = [...BROWSER, "security", "accessibility", "components", "errors", "library", "looks"];

const ignored = [
  "demo",
  ...(process.env.E2E_ENGINE ? [] : ["engines"]),
  ...(signsIn ? [...SERVERS, ...BROWSER] : ["auth"]),
  ...(["dynamo", "redis"].includes(process.env.E2E_STORE ?? "") ? PAGE : []),
];

/** The stack is started by scripts/dev.py around this run: see `make e2e`. */
export default defineConfig({
  testDir: ".",
  testMatch: process.env.E2E_ENGINE ? "engines.spec.ts" : "*.spec.ts",
  testIgnore: ignored.map((name) => `${name}.spec.ts`),
  outputDir: `test-results/${process.env.E2E_RUN || "by-hand"}`, // several runs may go on at the same time
  workers: 1, // the tests share one backend, and some of them restart it
  fullyParallel: false,
  forbidOnly: Boolean(process.env.CI),
  retries: 0,
  // What is waited for comes in a second or two on a machine that has nothing else to do: this is for one that has.
  timeout: 60_000,
  expect: { timeout: 20_000 },
  reporter: process.env.CI ? [["list"], ["html", { open: "never" }]] : [["list"]],
  use: {
    baseURL,
    browserName: "chromium",
    launchOptions,
    viewport: { width: 1280, height: 900 },
    locale: "en-GB",
    // Each page of a test is in view, and without a graphics card what moves in twelve of them takes a whole processor.
    contextOptions: { reducedMotion: "reduce" },
    screenshot: "only-on-failure",
    // On CI what was done, asked and logged; pictures of the page at each step, too, take half the time again: E2E_TRACE=1 make e2e ...
    trace: process.env.E2E_TRACE === "1" ? "retain-on-failure" : process.env.CI ? { mode: "retain-on-failure", snapshots: false, screenshots: false } : "off",
  },
});
