/** The backend goes away under the viewer's eyes, and comes back. */

import { Card, banner, expect, fetchUrl, lineOfKill, prose, restartBackend, store, test, untilAppended, untilWritten, upload } from "./fixtures";

for (const [how, delivery] of [["kill", "Stream"], ["term", "Stream"], ["kill", "Socket"], ["term", "Socket"]] as const) {
  const line = how === "kill" ? `${lineOfKill}: ` : "";
  test(`${line}a job in view when the backend is restarted (${how}, ${delivery})`, async ({ page, request, source }) => {
    const document = source.serve(`restart-${how}-${delivery}.txt`);
    await page.goto("/");
    await page.getByRole("radio", { name: delivery }).check();
    await fetchUrl(page, document.url);
    const card = Card.named(page, document.name);
    await document.write(prose(1_100_000));
    await expect(card.row("Received 1")).toBeVisible();
    if (how === "kill") await page.reload(); // from then on the card alone follows the job, and not its form as well
    await expect(card.row("Received 1")).toBeVisible();
    const before = await card.lines();
    if (store === "dynamo" && how === "kill") await untilWritten(await card.id(), () => document.write(prose(1_100_000)));
    if (store === "redis" && how === "kill") await untilAppended(request, await card.id());

    await restartBackend(how, async () => {
      // A restart that is asked for can be over before the page has noticed it.
      if (how === "kill") await expect(banner(page)).toBeVisible();
      expect((await card.lines()).slice(0, before.length)).toEqual(before);
    });
    await expect(banner(page)).toHaveCount(0);

    // The job goes on as its next attempt, which asks for the document anew.
    await document.end();
    await card.ended("Completed");
    expect((await card.lines()).slice(0, before.length)).toEqual(before);
    if (store === "memory") {
      // The log went with its process: the page has both, and whoever comes later what came after.
      await expect.poll(async () => (await card.lines()).slice(before.length)).toEqual((await card.stored()).lines);
      await page.reload();
    } else {
      // Whoever comes later gets it from the store.
      await page.reload();
      await expect.poll(async () => (await card.lines()).slice(0, before.length)).toEqual(before);
    }
    await card.expectWhole();

    // The page goes on by itself: no reload is needed for the next job.
    const name = `${crypto.randomUUID()}.txt`;
    await upload(page, { name, buffer: prose(600) });
    await Card.named(page, name).ended("Completed");
  });
}

test("a finished job after a restart", async ({ page }) => {
  const name = `${crypto.randomUUID()}.txt`;
  await page.goto("/");
  await upload(page, { name, buffer: prose(600) });
  const card = Card.named(page, name);
  await card.ended("Completed");
  const lines = await card.lines();

  await restartBackend("term");
  await page.reload();
  await card.ended("Completed");
  if (store === "memory") {
    await expect(card.root).toContainText("The log of this job is gone");
  } else {
    await expect.poll(() => card.lines()).toEqual(lines);
  }
  // The document itself was never in the log's hands.
  await card.link(`Read ${name}`).click();
  await expect(page.getByRole("dialog")).toContainText("the quick brown fox");
});

test("a page that is opened while the backend is away fills itself when it is back", async ({ page }) => {
  await restartBackend("kill", async () => {
    await page.goto("/");
    await expect(banner(page)).toBeVisible();
  });
  await expect(banner(page)).toHaveCount(0);
  await expect(page.getByText(/up to \d+ MB each/)).toBeVisible();
});
