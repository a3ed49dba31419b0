/**
 * A walk through the app: a few documents go in, one of them slowly, one of them broken, and what came of it is
 * searched and read. Screenshots go to demo/, and a video, or a trace where none can be recorded.
 */

import { mkdir } from "node:fs/promises";
import { setTimeout as pace } from "node:timers/promises";
import type { Browser, Page } from "@playwright/test";
import { Card, expect, fetchUrl, pdf, test, upload } from "./fixtures";
import type { Served } from "./fixtures";

const folder = "demo";
const desktop = { width: 1280, height: 800 };
const phone = { width: 390, height: 844 };
const films = process.env.E2E_VIDEO === "1";

test("a walk through the app", async ({ browser, source }) => {
  await mkdir(folder, { recursive: true });
  const { page, finish } = await record(browser);

  await page.goto("/");
  await expect(page.getByText("No jobs yet")).toBeVisible();
  await picture(page, "1-empty");

  // Three files at once, and a long text from a slow server.
  await upload(
    page,
    { name: "Notes on waiting.md", mimeType: "text/markdown", buffer: notes },
    { name: "history.html", mimeType: "text/html", buffer: history },
    { name: "Report.pdf", mimeType: "application/pdf", buffer: pdf("Report on the first quarter", [report, report]) },
  );
  const long = source.serve("the-long-read.txt");
  await fetchUrl(page, long.url);
  const slow = Card.named(page, long.name);
  const arriving = drip(long);
  await expect(slow.row("Received 2")).toBeVisible();
  await picture(page, "2-running-light");
  await page.emulateMedia({ colorScheme: "dark" });
  await picture(page, "2-running-dark");
  await page.emulateMedia({ colorScheme: "light" });

  // The same job on a page of its own, and on a phone that comes late.
  await slow.link("on a page of its own").click();
  await expect(Card.only(page).badge).toHaveText("Live");
  const visitor = await browser.newContext({ viewport: phone, deviceScaleFactor: 2, isMobile: true, hasTouch: true, colorScheme: "light" });
  const small = await visitor.newPage();
  await small.goto(page.url());
  await expect(Card.only(small).row("Received 2")).toBeVisible();
  await picture(small, "3-phone-job-light");
  await arriving;
  for (const one of [page, small]) await Card.only(one).ended("Completed");
  await picture(page, "3-job");
  await page.getByRole("link", { name: "All jobs" }).click();

  // What cannot be read says so.
  await upload(page, { name: "torn.pdf", mimeType: "application/pdf", buffer: `%PDF-1.4\n${"scraps ".repeat(40)}` });
  await Card.named(page, "torn.pdf").ended("Failed");
  await upload(page, { name: "setup.exe", buffer: "MZ\u0000\u0001" });
  await expect(page.getByRole("alert").filter({ hasText: "setup.exe" })).toBeVisible();
  await picture(page, "4-errors");
  await page.getByRole("button", { name: /^Dismiss/ }).click();

  // The library.
  await page.getByRole("searchbox", { name: "Search the documents" }).pressSequentially("wait", { delay: 90 });
  await expect(page.locator(".library mark").first()).toBeVisible();
  await picture(page, "5-search");
  await page.getByRole("region", { name: "Library" }).getByRole("link", { name: "On waiting", exact: true }).click();
  await expect(page.getByRole("dialog")).toContainText("The one who waits");
  await picture(page, "6-reader-light");
  await page.emulateMedia({ colorScheme: "dark" });
  await picture(page, "6-reader-dark");
  await page.keyboard.press("Escape");
  await small.emulateMedia({ colorScheme: "dark" });
  await small.goto("/");
  await expect(small.getByRole("article").first()).toBeVisible();
  await picture(small, "7-phone-jobs-dark");
  await small.getByRole("link", { name: "Library" }).click();
  await picture(small, "7-phone-library-dark");

  // A draft by a prompt, checked before it is the output.
  await page.emulateMedia({ colorScheme: "light" });
  await page.goto("/#/generate");
  await page.getByLabel("Text").fill(notes);
  await page.getByLabel("Prompt").selectOption("Briefing");
  await page.getByRole("button", { name: "Generate", exact: true }).click();
  const run = page.getByRole("article", { name: "Briefing of “On waiting”" });
  await expect(run.locator(".badge")).toHaveText("Completed");
  await expect(run.getByRole("region", { name: /^Output/ }).getByRole("heading", { name: "In short" })).toBeVisible();
  await picture(page, "8-generate");

  // What the agents have found out about the documents meanwhile, and what runs now.
  const pages = page.getByRole("navigation", { name: "Pages" });
  await pages.getByRole("link", { name: "Agents" }).click();
  await expect(page.getByRole("article", { name: "On waiting" }).getByRole("list", { name: "Tags" })).toBeVisible();
  await expect(page.getByRole("region", { name: "At work" }).locator(".badge")).toHaveText("Live");
  await picture(page, "9-agents");
  await pages.getByRole("link", { name: "Ingest" }).click();
  const another = source.serve("another-long-read.txt");
  await fetchUrl(page, another.url);
  await another.write("A line of a long text. ".repeat(90_000));
  await pages.getByRole("link", { name: "Dashboard" }).click();
  await expect(page.getByRole("region", { name: "Running now" })).toContainText("another-long-read.txt");
  await picture(page, "10-dashboard");
  await another.end("The end.\n");
  await expect(page.getByRole("region", { name: "Ended" })).toContainText("another-long-read.txt");
  await pages.getByRole("link", { name: "Components" }).click();
  await expect(page.getByRole("heading", { name: "ActivityPanel" })).toBeVisible();
  await picture(page, "11-components");

  await visitor.close();
  await finish();
});

async function picture(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: `${folder}/${name}.png`, animations: "disabled" });
}

async function record(browser: Browser): Promise<{ page: Page; finish: () => Promise<void> }> {
  const context = await browser.newContext({
    viewport: desktop,
    colorScheme: "light",
    ...(films && { recordVideo: { dir: "test-results/demo", size: desktop } }),
  });
  if (!films) await context.tracing.start({ screenshots: true, snapshots: true });
  const page = await context.newPage();
  return {
    page,
    finish: async () => {
      if (!films) await context.tracing.stop({ path: `${folder}/trace.zip` });
      const video = page.video();
      await context.close();
      await video?.saveAs(`${folder}/walk-through.webm`);
    },
  };
}

/** Sends five megabytes, one by one, so that there is something to watch. */
async function drip(document: Served): Promise<void> {
  const line = "It was a long text, and it took its time; whoever waited for it could see how far it had come.\n";
  for (let part = 0; part < 5; part += 1) {
    await document.write(line.repeat(Math.ceil(1_010_000 / line.length)));
    await pace(1_200);
  }
  await document.end("The end.\n");
}

const notes = `# On waiting

The one who waits asks three things: is it still going, how far is it, and will it end well. A bar that fills answers the second, badly. A log answers all three, in the words of whoever does the work.

## What a line is for

A line that comes while the work is done is worth ten that come after it. It need not be long. It says what begins, what came of it, and what to do when nothing did.
`;

const history = `<!doctype html>
<html lang="en">
  <head><title>A short history of the progress bar</title></head>
  <body>
    <article>
      <h1>A short history of the progress bar</h1>
      <p>Charts of work that was planned and work that was done were drawn on paper long before there was a screen to
      show them on. The bar that fills from left to right came with the first windows, and with it the people who
      watched it, and who learned not to believe it.</p>
      <p>It tells how much is done of what was expected. It cannot tell what is being done, nor why it takes so long,
      and where nobody knows how much there is to do it can only pretend. For that there is the log: a line for each
      step, in order, while it happens, so that those who wait know what they wait for.</p>
    </article>
  </body>
</html>
`;

const report = `In the first quarter 1,204 documents were taken in, 31 of them for the second time.
The longest took nine minutes; its reader could watch every one of them.
Eleven failed: eight were protected by a password, three were empty.
Nobody had to wait without knowing what for.`;
