import { defineConfig } from "@playwright/test";
import { baseURL, launchOptions } from "./browser";

/** `make demo`: a walk through the app. It leaves its pictures in demo/, and a video where one can be recorded, else a trace. */
const video = process.env.E2E_VIDEO === "1";

export default defineConfig({
  testDir: ".",
  testMatch: "demo.spec.ts",
  outputDir: "test-results/demo",
  workers: 1,
  retries: 0,
  timeout: 120_000,
  expect: { timeout: 15_000 },
  reporter: [["list"]],
  use: {
    baseURL,
    browserName: "chromium",
    launchOptions,
    locale: "en-GB",
    trace: video ? "off" : "on",
  },
});
