import { defineConfig } from "@playwright/test";
import { baseURL, launchOptions } from "./browser";

/** `make demo`: a walk through the app, at a pace that can be watched. It leaves its pictures and its video in demo/. */
export default defineConfig({
  testDir: ".",
  testMatch: "demo.spec.ts",
  outputDir: "test-results/demo",
  workers: 1,
  retries: 0,
  timeout: 120_000,
  expect: { timeout: 15_000 },
  reporter: [["list"]],
  use: { baseURL, browserName: "chromium", launchOptions: { ...launchOptions, slowMo: 250 } },
});
