/** What a viewer is not shown does not hold up its cursor: the browser's own EventSource against the library. */

import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, test } from "@playwright/test";

/** `make e2e` says which Python has the library. */
const python = process.env.E2E_PYTHON || "python3";

let server: ChildProcess;
let origin: string;

test.beforeEach(async () => {
  const started = spawn(python, [fileURLToPath(new URL("filtered_server.py", import.meta.url))], { stdio: ["ignore", "pipe", "inherit"] });
  server = started;
  const [port] = await Promise.race([
    once(started.stdout, "data"),
    once(started, "exit").then(([code]) => Promise.reject(new Error(`${python} filtered_server.py ended with ${String(code)}`))),
  ]);
  origin = `http://127.0.0.1:${String(port).trim()}`;
});

test.afterEach(() => {
  server.kill();
});

test("a browser that reconnects asks after the events that it is not shown", async ({ page, request }) => {
  await page.goto(origin);
  await page.evaluate(() => {
    const seen: [string, string][] = [];
    const source = new EventSource("/job/stream");
    source.addEventListener("message", (event: MessageEvent<string>) => {
      seen.push([event.lastEventId, (JSON.parse(event.data) as { message: string }).message]);
    });
    Object.assign(globalThis, { seen });
  });
  const seen = (): Promise<unknown> => page.evaluate(() => (globalThis as unknown as { seen: unknown }).seen);
  const asked = async (): Promise<unknown> => (await request.get(`${origin}/asked`)).json();

  await expect.poll(asked).toEqual([null]);
  await request.get(`${origin}/show`);
  await expect.poll(seen).toEqual([["1", "shown"]]);
  await request.get(`${origin}/hide`); // 2, 3 and 4; with the heartbeat that names 4 the server breaks the stream off
  await expect.poll(asked).toEqual([null, "4"]);
  await request.get(`${origin}/show`);
  await expect
    .poll(seen)
    .toEqual([
      ["1", "shown"],
      ["5", "shown"],
    ]);
});
