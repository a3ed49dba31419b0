/** The dashboard: what runs, how far it is, what has ended; live, wherever it was started. */

import type { Locator } from "@playwright/test";
import { baseURL } from "./browser";
import { Card, banner, expect, fetchUrl, prose, restartBackend, test, upload } from "./fixtures";
import type { Page } from "./fixtures";
import { Wire } from "./wire";

function row(page: Page, section: "Running now" | "Ended", name: string): Locator {
  return page.getByRole("region", { name: section }).getByRole("listitem").filter({ hasText: name });
}

async function total(page: Page, label: string): Promise<number> {
  const shown = page.locator(".total").filter({ hasText: label }).getByRole("definition");
  await expect(shown).toHaveText(/^\d+$/); // a dash, until the server has told it
  return Number(await shown.innerText());
}

function live(page: Page): Locator {
  return page.locator(".dashboard-head .badge");
}

test("a job shows up where it runs, with its step and its log, and moves when it ends", async ({ page, context, source }) => {
  await page.goto("/#/dashboard");
  await expect(live(page)).toHaveText("Live");
  const [running, completed] = [await total(page, "Running"), await total(page, "Completed")];

  const elsewhere = await context.newPage();
  const document = source.serve(`dashboard-${crypto.randomUUID()}.txt`);
  await elsewhere.goto("/");
  await fetchUrl(elsewhere, document.url);
  await expect(Card.named(elsewhere, document.name).badge).toHaveText("Live");
  await elsewhere.close();

  const job = row(page, "Running now", document.url);
  await expect(job).toContainText("Fetching");
  await expect.poll(() => total(page, "Running")).toBe(running + 1);
  const bar = job.getByRole("progressbar");
  const before = Number(await bar.getAttribute("aria-valuenow"));
  await document.write(prose(1_100_000));
  await expect.poll(async () => Number(await bar.getAttribute("aria-valuenow"))).toBeGreaterThan(before);

  await job.getByRole("button", { name: document.url, exact: true }).click();
  await expect(job.getByRole("log")).toContainText("Received 1");
  await document.end();
  await expect(row(page, "Ended", document.url)).toContainText("Completed");
  await expect(job).toHaveCount(0);
  await expect.poll(() => total(page, "Completed")).toBe(completed + 1);
  expect(await total(page, "Ended in the last minute")).toBeGreaterThan(0);
});

test("a job is cancelled from the dashboard", async ({ page, source }) => {
  const document = source.serve(`cancel-${crypto.randomUUID()}.txt`);
  await page.goto("/");
  await fetchUrl(page, document.url);
  await expect(Card.named(page, document.name).badge).toHaveText("Live");
  await page.goto("/#/dashboard");
  await expect(live(page)).toHaveText("Live");
  const before = await total(page, "Cancelled");
  await page.getByRole("button", { name: `Cancel ${document.url}` }).click();
  await expect(row(page, "Ended", document.url)).toContainText("Cancelled");
  await expect.poll(() => total(page, "Cancelled")).toBeGreaterThan(before);
});

test("why a job failed is there without its log", async ({ page }) => {
  const name = `${crypto.randomUUID()}.txt`;
  await page.goto("/");
  await upload(page, { name, buffer: " \n" });
  await Card.named(page, name).ended("Failed");
  await page.goto("/#/dashboard");
  await expect(row(page, "Ended", name)).toContainText("There are no words in this document");
});

test("what of a job could not be done is on its card and on the dashboard, though it has completed", async ({ page }) => {
  const name = `${crypto.randomUUID()}.txt`;
  const lost = "1 warning: 1 character could not be decoded and became “\ufffd”";
  await page.goto("/");
  await upload(page, { name, buffer: Buffer.concat([Buffer.from(`${"Größe für Größe. ".repeat(20)}${prose(60)}`), Buffer.of(0xff)]) });
  const card = Card.named(page, name);
  await card.ended("Completed");
  await expect(card.root.locator(".streamator-log-entry--warning")).toContainText("could not be decoded");
  await expect(card.root.getByText(lost)).toBeVisible();
  await card.button(name).click(); // the same of a card that is closed
  await expect(card.rows).toHaveCount(0);
  await expect(card.root.getByText(lost)).toBeVisible();
  await page.goto("/#/dashboard");
  await expect(row(page, "Ended", name)).toContainText("Completed");
  await expect(row(page, "Ended", name)).toContainText(lost);
});

test("the counts go on when the backend is back", async ({ page }) => {
  await page.goto("/#/dashboard");
  await expect(live(page)).toHaveText("Live");
  await restartBackend("kill", async () => {
    await expect(banner(page)).toBeVisible();
    await expect(live(page)).toHaveText("Reconnecting");
  });
  await expect(live(page)).toHaveText("Live");
  await expect(banner(page)).toHaveCount(0);
});

test("the counts go on when the network is mended", async ({ page, context }) => {
  const wire = await Wire.between(page, baseURL);
  await page.goto(`${wire.url}/#/dashboard`);
  await expect(live(page)).toHaveText("Live");
  const completed = await total(page, "Completed");
  wire.cut();
  await expect(live(page)).toHaveText("Reconnecting");
  const name = `${crypto.randomUUID()}.txt`;
  const elsewhere = await context.newPage();
  await elsewhere.goto(baseURL);
  await upload(elsewhere, { name, buffer: prose(400) });
  await Card.named(elsewhere, name).ended("Completed");
  await wire.mend();
  await expect(live(page)).toHaveText("Live");
  await expect.poll(() => total(page, "Completed")).toBe(completed + 1);
  await expect(row(page, "Ended", name)).toBeVisible();
  await wire.stop();
});
