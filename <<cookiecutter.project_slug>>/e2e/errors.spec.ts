/** What goes wrong is said in plain words, in its place, and goes away when it is over. */

import { mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Card, banner, expect, fetchUrl, test, upload } from "./fixtures";
import type { Page } from "./fixtures";
import { signsIn } from "./people";

test("a file that is too large is refused before it is sent", async ({ page }) => {
  const uploads = uploadsOf(page);
  await withLargeFile(async (path, name) => {
    await page.goto("/");
    await configKnown(page);
    await page.getByLabel("Files to add").setInputFiles(path);
    const refusal = page.getByRole("alert").filter({ hasText: name });
    await expect(refusal).toContainText("The file has 21 MB, and the limit is 20 MB.");
    expect(uploads).toEqual([]);
    await refusal.getByRole("button", { name: /^Dismiss/ }).click();
    await expect(refusal).toHaveCount(0);
  });
});

test("the server refuses what is too large on its own account", async ({ page }) => {
  // A page that was loaded before the limit was lowered still thinks that the file fits.
  await page.route("**/api/config", async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, json: { ...(await response.json()), max_upload_bytes: 50_000_000 } });
  });
  await withLargeFile(async (path, name) => {
    await page.goto("/");
    await configKnown(page);
    await page.getByLabel("Files to add").setInputFiles(path);
    // The server may close the connection before its answer has come through the proxy: then the page guesses right.
    await expect(page.getByRole("alert").filter({ hasText: name })).toContainText(
      /the limit is 20 MB|21 MB may be more than the server takes/,
    );
    await expect(banner(page)).toHaveCount(0);
  });
});

test("a file of a type that cannot be read is refused with the types that can", async ({ page }) => {
  await page.goto("/");
  await upload(page, { name: "setup.exe", mimeType: "application/octet-stream", buffer: Buffer.from("MZ\u0000\u0001\u0002binary\u0000") });
  const refusal = page.getByRole("alert").filter({ hasText: "setup.exe" });
  await expect(refusal).toContainText("use text, Markdown, HTML, PDF");
  await expect(page.getByRole("article").filter({ hasText: "setup.exe" })).toHaveCount(0);
});

test("what is no web address is not sent", async ({ page }) => {
  const uploads = uploadsOf(page);
  await page.goto("/");
  await fetchUrl(page, "javascript:alert(1)");
  await expect(page.getByRole("alert").filter({ hasText: "is no web address" })).toBeVisible();
  await expect(page.getByLabel("Or give an address")).toBeFocused();
  expect(uploads).toEqual([]);
});

test("one job too many is refused, and can be tried again when there is room", async ({ page, source }) => {
  const documents = Array.from({ length: 9 }, (_, index) => source.serve(`full-${index}.txt`));
  await page.goto("/");
  for (const document of documents) await fetchUrl(page, document.url);
  const [first, last] = [documents[0], documents[8]];
  if (first === undefined || last === undefined) throw new Error("unreachable");
  const refusal = page.getByRole("alert").filter({ hasText: last.url });
  await expect(refusal).toContainText(signsIn ? "8 of your jobs are running" : "8 jobs are running");

  await Card.named(page, first.name).button(/^Cancel/).click();
  await Card.named(page, first.name).ended("Cancelled");
  await refusal.getByRole("button", { name: "Try again" }).click();
  await expect(Card.named(page, last.name).row("size not announced")).toBeVisible();
  await expect(refusal).toHaveCount(0);
});

test("a job, a document, a page that does not exist", async ({ page }) => {
  await page.goto("/#/jobs/there-is-no-such-job");
  await expect(page.getByText("There is no job with this id.")).toBeVisible();
  await page.goto("/#/documents/there-is-no-such-document");
  await expect(page.getByRole("dialog")).toContainText("There is no document with this id.");
  await page.keyboard.press("Escape");
  await expect(page.getByRole("dialog")).toHaveCount(0);
  await page.goto("/#/nowhere");
  await expect(page.getByText("There is no page at this address.")).toBeVisible();
  await expect(banner(page)).toHaveCount(0);
});

function uploadsOf(page: Page): string[] {
  const uploads: string[] = [];
  page.on("request", (request) => {
    if (request.method() === "POST" && request.url().includes("/api/ingest")) uploads.push(request.url());
  });
  return uploads;
}

/** The page shows the limit once it knows it. */
async function configKnown(page: Page): Promise<void> {
  await expect(page.getByText(/up to \d+ MB each/)).toBeVisible();
}

/** A sparse file of 21 MB, one more than the limit. */
async function withLargeFile(act: (path: string, name: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "large-"));
  const name = "large.txt";
  const path = join(folder, name);
  try {
    await writeFile(path, "x");
    await truncate(path, 21_000_000);
    await act(path, name);
  } finally {
    await rm(folder, { recursive: true });
  }
}
