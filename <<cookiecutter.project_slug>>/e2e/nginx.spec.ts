/** One server behind nginx: while it is away, nginx answers in its place; and it may be below a path of its host. */

import { mkdir } from "node:fs/promises";
import { Card, banner, expect, fetchUrl, prose, store, test as base, upload } from "./fixtures";
import { Servers } from "./servers";
import type { Prefix } from "./servers";

/** The server, and what takes it away and brings it back. */
interface Restart {
  readonly kill: () => Promise<unknown>;
  readonly run: () => Promise<void>;
}

const test = base.extend<{ prefix: Prefix; servers: Servers; restart: Restart }>({
  prefix: ["none", { option: true }],
  servers: async ({ prefix }, provide, { project }) => {
    const servers = await Servers.start(await logs(project.outputDir), 1, prefix);
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
    await document.end();
    await card.ended("Completed");
    const name = `${crypto.randomUUID()}.txt`;
    await upload(page, { name, buffer: prose(600) });
    await Card.named(page, name).ended("Completed");
    await Card.named(page, name).expectWhole();
    expect(loads).toBe(1);
  });
}

for (const prefix of ["kept", "cut"] as const) {
  test.describe(`below /app, which nginx has ${prefix}`, () => {
    test.use({ prefix });

    test("jobs are followed live, and any address below it leads to the page", async ({ page, servers, source }) => {
      test.slow(); // it starts a server, and loads the page twice
      const astray: string[] = [];
      page.on("request", (request) => {
        if (!request.url().startsWith(servers.url)) astray.push(request.url());
      });
      page.on("websocket", (socket) => {
        if (!socket.url().startsWith(servers.url.replace("http:", "ws:"))) astray.push(socket.url());
      });
      await page.goto(servers.url);
      for (const delivery of ["Stream", "Socket"] as const) {
        const document = source.serve(`${prefix}-${delivery}.txt`);
        await page.getByRole("radio", { name: delivery }).check();
        await fetchUrl(page, document.url);
        const card = Card.named(page, document.name);
        await expect(card.rows.first()).toBeVisible();
        await document.end(prose(600));
        await card.ended("Completed");
        await card.expectWhole();
      }

      await page.goto(new URL("somewhere/deep#/library", servers.url).href);
      await page.getByRole("region", { name: "Library" }).getByRole("link").first().click();
      await expect(page).toHaveURL(/\/app\/#\/documents\//);
      await expect(page.getByRole("dialog").getByRole("heading", { level: 1 })).not.toHaveText("Document");
      expect(astray).toEqual([]);
    });
  });
}

/** The folder that takes what the server and nginx print, beside the results of the tests. */
async function logs(outputDir: string): Promise<string> {
  const folder = `${outputDir}/nginx-${store}`;
  await mkdir(folder, { recursive: true });
  return folder;
}
