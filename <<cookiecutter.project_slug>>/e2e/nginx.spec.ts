/** One server behind nginx: while it is away, nginx answers in its place. */

import { mkdir } from "node:fs/promises";
import { Card, banner, expect, fetchUrl, prose, store, test as base, upload } from "./fixtures";
import { Servers } from "./servers";

/** The server, and what takes it away and brings it back. */
interface Restart {
  readonly kill: () => Promise<unknown>;
  readonly run: () => Promise<void>;
}

const test = base.extend<{ servers: Servers; restart: Restart }>({
  // oxlint-disable-next-line no-empty-pattern -- Playwright reads a fixture's needs from this very pattern
  servers: async ({}, provide, { project }) => {
    const servers = await Servers.start(await logs(project.outputDir), 1);
    await provide(servers);
    await servers.stop();
  },
  restart: async ({ servers }, provide, { project }) => {
    const [address] = servers.addresses;
    await provide({
      kill: () => servers.end(address, "SIGKILL"),
      run: async () => servers.run(address, await logs(project.outputDir)),
    });
  },
  baseURL: async ({ servers }, provide) => provide(servers.url),
});

for (const delivery of ["Stream", "Socket", "Poll"] as const) {
  test(`37: the page recovers by itself after a 502 (${delivery})`, async ({ page, restart, source }) => {
    const refused: string[] = [];
    page.on("response", (response) => {
      if (response.status() === 502) refused.push(response.url());
    });
    let loads = 0;
    page.on("load", () => (loads += 1));
    const document = source.serve(`502-${delivery}.txt`);
    await page.goto("/");
    await page.getByRole("radio", { name: delivery }).check();
    await fetchUrl(page, document.url);
    const card = Card.named(page, document.name);
    await document.write(prose(1_100_000));
    await expect(card.row("Received 1")).toBeVisible();
    const before = await card.lines();

    await restart.kill();
    await expect(banner(page)).toBeVisible();
    await expect.poll(() => refused.length).toBeGreaterThan(2);
    expect(await card.lines()).toEqual(before);

    await restart.run();
    await expect(banner(page)).toHaveCount(0);
    await expect(card.badge).toHaveText(store === "memory" ? "Gone" : "Interrupted");
    const name = `${crypto.randomUUID()}.txt`;
    await upload(page, { name, buffer: prose(600) });
    await Card.named(page, name).ended("Completed");
    await Card.named(page, name).expectWhole();
    expect(loads).toBe(1);
  });
}

/** The folder that takes what the server and nginx print, beside the results of the tests. */
async function logs(outputDir: string): Promise<string> {
  const folder = `${outputDir}/nginx-${store}`;
  await mkdir(folder, { recursive: true });
  return folder;
}
