import { defineConfig } from "@playwright/test";
import { baseURL, launchOptions } from "./browser";
import { signsIn } from "./people";

/** The stack is started by scripts/dev.py around this run: see `make e2e`. */
export default defineConfig({
  testDir: ".",
  testMatch: process.env.E2E_ENGINE ? "engines.spec.ts" : "*.spec.ts",
  // Servers behind nginx, machines, and the library alone, are the same whoever has signed in.
  // What a browser lets the page do is the same whatever the store, and filters.spec.ts has a server of its own.
  testIgnore: [
    "demo.spec.ts",
    ...(process.env.E2E_ENGINE ? [] : ["engines.spec.ts"]),
    ...(signsIn ? ["nginx.spec.ts", "servers.spec.ts", "machines.spec.ts", "filters.spec.ts", "tabs.spec.ts", "reading.spec.ts"] : ["auth.spec.ts"]),
    ...(["dynamo", "redis"].includes(process.env.E2E_STORE ?? "") ? ["security.spec.ts", "filters.spec.ts", "tabs.spec.ts", "reading.spec.ts"] : []),
  ],
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
