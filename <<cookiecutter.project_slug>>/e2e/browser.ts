/** How the browser is started: by the tests and by the demo alike. */

import type { LaunchOptions } from "@playwright/test";

const root = process.getuid?.() === 0;

/** Which engine `make e2e-engines` is about. All other runs are in Chromium. */
export const engine = (["firefox", "webkit"] as const).find((name) => name === process.env.E2E_ENGINE) ?? "chromium";

export const launchOptions: LaunchOptions = {
  executablePath: process.env.CHROMIUM_PATH || undefined,
  args: [
    ...(root ? ["--no-sandbox"] : []), // Chromium refuses to run its sandbox as root
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
  ],
};

/** Where the page is: `make e2e` says it, and `make dev` has it here unless told otherwise. */
export const baseURL = process.env.E2E_BASE_URL || "http://127.0.0.1:5173";
