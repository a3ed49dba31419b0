/** Several machines, one page: a job is started at one, runs on another and is watched at a third, whichever of them dies. */

import { mkdir } from "node:fs/promises";
import { Card, expect, fetchUrl, prose, store, storedLog, test as base } from "./fixtures";
import type { Page, Served } from "./fixtures";
import { Machines } from "./machines";
import { Source } from "./source";

const test = base.extend<object, { machines: Machines }>({
  machines: [
    // oxlint-disable-next-line no-empty-pattern -- Playwright reads a fixture's needs from this very pattern
    async ({}, provide, { project }) => {
      const folder = `${project.outputDir}/machines-${crypto.randomUUID().slice(0, 8)}`;
      await mkdir(folder, { recursive: true });
      const machines = await Machines.start(folder);
      await provide(machines);
      await machines.stop();
    },
    { scope: "worker", timeout: 120_000 },
  ],
  baseURL: async ({ machines }, provide) => provide(machines.url),
  source: async ({ machines }, provide) => {
    // A test before may have ended some of them.
    await machines.do("start redis", "start postgres", "start web1", "start web2", "start worker1", "start worker2");
    const source = await Source.start(machines.host);
    await provide(source);
    await source.stop();
  },
});

test.skip(store !== "redis", "workers on other machines need Redis");

/** Starts a job that the first worker runs, and shows it on its own page. */
async function begin(page: Page, machines: Machines, document: Served): Promise<Card> {
  await machines.do("stop worker2");
  await page.goto("/");
  await fetchUrl(page, document.url);
  await Card.named(page, document.name).link("on a page of its own").click();
  const card = Card.only(page);
  await expect(card.root).toHaveCount(1); // while the list is shown, there are several
  await expect(card.badge).toHaveText("Live");
  await writeParts(card, document, 1, 3);
  await machines.do("start worker2");
  return card;
}

/** Writes parts of a document, each of which is a line in the log, and waits until the page shows them all. */
async function writeParts(card: Card, document: Served, first: number, count: number): Promise<void> {
  for (let part = first; part < first + count; part += 1) {
    await document.write(prose(1.05 * 1_000_000));
    await expect(card.row(`Received ${part} MB`)).not.toHaveCount(0);
  }
}

/** Ends a document that a second attempt reads from its beginning, and the job with it. */
async function endAgain(page: Page, card: Card, document: Served): Promise<void> {
  await expect(page.getByRole("separator", { name: /Attempt 2/ })).toBeVisible();
  await writeParts(card, document, 1, 2);
  await document.end();
  await card.ended("Completed");
  await card.expectWhole();
  // Within an attempt each line is there once.
  const { lines } = await storedLog(page.request, await card.id());
  const texts = lines.map(({ text }) => text).filter((text) => text.startsWith("Received"));
  const second = texts.lastIndexOf("Received 1 MB");
  for (const attempt of [texts.slice(0, second), texts.slice(second)]) expect(attempt).toEqual([...new Set(attempt)]);
  expect(texts.slice(second)).toEqual(["Received 1 MB", "Received 2 MB"]);
}

test("a job is started at one machine, runs on another, and is watched at a third", async ({ page, machines, source }) => {
  const document = source.serve("three-machines.txt");
  const card = await begin(page, machines, document);
  for (const web of ["web1", "web2"] as const) {
    const answer = await page.request.get(`http://${machines.addresses[web]}/api/jobs/${await card.id()}`);
    expect(((await answer.json()) as { status: string }).status).toBe("running");
  }
  await document.end();
  await card.ended("Completed");
  await card.expectWhole();
});

test("the worker is killed: the other one takes the job over, and the page says so", async ({ page, machines, source }, testInfo) => {
  const document = source.serve("worker-killed.txt");
  const card = await begin(page, machines, document);
  const again = source.serve("worker-killed.txt");
  await machines.do("kill worker1");
  await endAgain(page, card, again);
  await page.screenshot({ path: testInfo.outputPath("attempt-2.png") });
});

test("the worker and the web server that its viewer is at are killed", async ({ page, machines, source }) => {
  let web = "";
  page.on("response", (response) => {
    const by = response.headers()["x-served-by"]?.split(", ").at(-1);
    if (/\/api\/log\/[^/]+\/stream$/.test(response.url()) && by) web = by;
  });
  const document = source.serve("both-killed.txt");
  const card = await begin(page, machines, document);
  const again = source.serve("both-killed.txt");
  await machines.do(`kill ${web === machines.addresses.web1 ? "web1" : "web2"}`, "kill worker1");
  await endAgain(page, card, again);
});

test("a worker that was cut off the network comes back to a job that is another's, and adds nothing", async ({ page, machines, source }) => {
  const document = source.serve("worker-cut-off.txt");
  const card = await begin(page, machines, document);
  const again = source.serve("worker-cut-off.txt");
  await machines.do("cut worker1");
  await expect(page.getByRole("separator", { name: /Attempt 2/ })).toBeVisible();
  await machines.do("mend worker1");
  await document.write(prose(1.05 * 1_000_000)); // to the one that does not know yet
  await endAgain(page, card, again);
});

for (const service of ["redis", "postgres"] as const) {
  test(`${service} is away for five seconds`, async ({ page, machines, source }) => {
    const document = source.serve(`${service}-away.txt`);
    const card = await begin(page, machines, document);
    await machines.do(`stop ${service}`);
    await document.write(prose(1.05 * 1_000_000));
    await new Promise((resolve) => setTimeout(resolve, 5_000)); // this is what is tested
    await machines.do(`start ${service}`);
    await writeParts(card, document, 5, 1);
    await document.end();
    await card.ended("Completed");
    await card.expectWhole();
  });
}

test("a job is cancelled wherever it runs", async ({ page, machines, source }) => {
  const document = source.serve("cancelled-elsewhere.txt");
  const card = await begin(page, machines, document);
  await card.button("Cancel").click();
  await card.ended("Cancelled");
});
