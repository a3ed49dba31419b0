/** The page that shows the library's parts, and useJob on a job of the app's own. */

import { baseURL } from "./browser";
import { expect, prose, test } from "./fixtures";
import type { Page } from "./fixtures";
import { Wire } from "./wire";

/** Starts a job, as another device might. */
async function startJob(page: Page, url: string): Promise<string> {
  const response = await page.request.post("/api/ingest", { multipart: { url } });
  expect(response.status()).toBe(202);
  return ((await response.json()) as { job_id: string }).job_id;
}

test("each component plays alone, and its source is there", async ({ page }) => {
  await page.goto("/#/components");
  const progress = page.getByRole("region", { name: "ProgressPanel" });
  await expect(progress.getByRole("progressbar", { name: "Progress of the report" })).toHaveAttribute("aria-valuetext", "Check: 90 %");
  await expect(progress.getByRole("listitem").filter({ hasText: "Check" })).toHaveAttribute("aria-current", "step");
  await expect(progress.getByRole("progressbar")).toHaveAttribute("aria-valuenow", "100");

  const activity = page.getByRole("region", { name: "ActivityPanel" });
  await expect(activity.getByRole("listitem").filter({ hasText: "minutes.md" })).toContainText("no sign for");
  await expect(activity.getByRole("listitem").filter({ hasText: "Tagger" })).toContainText("completed");

  const draft = page.getByRole("region", { name: "DraftPanel" });
  await draft.getByText("Source").click();
  await expect(draft.getByText('from "streamator-react"')).toBeVisible();

  const log = page.getByRole("region", { name: "LogPanel" });
  await expect(log.getByRole("separator", { name: "Attempt 2 - worker lost" })).toBeVisible();
});

test("a draft's end stays in view until the reader scrolls away", async ({ page }) => {
  await page.setViewportSize({ width: 420, height: 900 });
  await page.goto("/#/components");
  const panel = page.getByRole("region", { name: "Draft", exact: true });
  const rest = (): Promise<number> => panel.evaluate((element) => element.scrollHeight - element.scrollTop - element.clientHeight);
  await expect.poll(() => panel.evaluate((element) => element.scrollTop)).toBeGreaterThan(20);
  expect(await rest()).toBeLessThanOrEqual(4);
  await panel.hover();
  await page.mouse.wheel(0, -400);
  await expect(page.getByRole("button", { name: "Follow" })).toBeVisible();
  await page.mouse.wheel(0, -4_000); // the first turn may have met a line that came in the same moment
  await expect.poll(() => panel.evaluate((element) => element.scrollTop)).toBe(0);
  await expect.poll(rest).toBeGreaterThan(60); // it grows, and stays where the reader is
  expect(await panel.evaluate((element) => element.scrollTop)).toBe(0);
  await page.getByRole("button", { name: "Follow" }).click();
  expect(await rest()).toBeLessThanOrEqual(4);
});

test("useJob follows a job that runs, over a cut network, to its end", async ({ page, source }) => {
  const wire = await Wire.between(page, baseURL);
  const document = source.serve(`${crypto.randomUUID()}.txt`);
  const id = await startJob(page, document.url);
  await document.write(prose(1_100_000));
  await page.goto(`${wire.url}/#/components`);
  const example = page.getByRole("region", { name: "useJob" });
  await example.getByLabel("Job", { exact: true }).selectOption(id);
  const log = example.getByRole("log");
  await expect(log).toContainText("Received 1");
  await expect(example.getByText("Live", { exact: true })).toBeVisible();

  wire.cut();
  await expect(example.getByText(/^Reconnecting/)).toBeVisible();
  await document.write(prose(1_100_000));
  await wire.mend();
  await expect(log).toContainText("Received 2");
  await document.end(prose(500));
  await expect(example.getByText("Ended: completed · resumed with 0 lost")).toBeVisible();
  await expect(example.getByRole("progressbar")).toHaveAttribute("aria-valuenow", "100");

  // Nothing twice, nothing missing.
  const response = await page.request.get(`/api/log/${id}`);
  const { logs } = (await response.json()) as { logs: { message?: string }[] };
  const lines = await log.locator(".streamator-log-text").allTextContents();
  expect(lines).toEqual(logs.flatMap(({ message }) => message ?? []));
  await wire.stop();
});

test("useJob cancels a job", async ({ page, source }) => {
  const document = source.serve(`${crypto.randomUUID()}.txt`);
  const id = await startJob(page, document.url);
  await document.write(prose(1_100_000));
  await page.goto("/#/components");
  const example = page.getByRole("region", { name: "useJob" });
  await example.getByLabel("Job", { exact: true }).selectOption(id);
  await expect(example.getByText("Live", { exact: true })).toBeVisible();
  await example.getByRole("button", { name: "Cancel" }).click();
  await expect(example.getByText(/^Ended: cancelled/)).toBeVisible();
  await expect(example.getByRole("button", { name: "Cancel" })).toBeDisabled();
});

for (const colorScheme of ["light", "dark"] as const) {
  test(`the components are no wider than a phone of 360 px (${colorScheme})`, async ({ browser }) => {
    const context = await browser.newContext({ viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true, colorScheme });
    const page = await context.newPage();
    await page.goto("/#/components");
    await expect(page.getByRole("listitem").filter({ hasText: "Tagger" })).toBeVisible();
    for (const source of await page.getByText("Source", { exact: true }).all()) await source.click();
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
    await context.close();
  });
}
