/** The agents at work: a lane for each, what they found out, and what becomes of both when something breaks. */

import { Card, banner, expect, restartBackend, test, upload } from "./fixtures";
import type { Page } from "./fixtures";
import { enter, signsIn } from "./people";
import type { Locator } from "@playwright/test";

const names = ["Coordinator", "Tagger", "Summariser", "Indexer"] as const;

/** Takes in a document on bridges, as a user does, and gives its title. */
async function ingest(page: Page): Promise<string> {
  const name = `${crypto.randomUUID()}.md`;
  const title = `Bridges ${crypto.randomUUID()}`;
  await page.goto("/");
  await upload(page, {
    name,
    mimeType: "text/markdown",
    buffer: `# ${title}

A suspension bridge hangs its deck from cables. The cables of a suspension bridge run over two towers of steel.
Wind is what a suspension bridge has to fear, and the towers carry what the cables pull. Lunch was good.
`,
  });
  await Card.named(page, name).ended("Completed");
  return title;
}

function lane(page: Page, name: (typeof names)[number]): Locator {
  return page.getByRole("list", { name: "Agents" }).getByRole("listitem").filter({ hasText: name });
}

function finding(page: Page, title: string): Locator {
  return page.getByRole("article", { name: title });
}

/** When each of the workers has finished with a document. */
async function workOn(page: Page, title: string): Promise<string[]> {
  const response = await page.request.get("/api/agents/findings?limit=100");
  const { documents } = (await response.json()) as { documents: { title: string; work: { finished_at: string }[] }[] };
  return documents.find((document) => document.title === title)?.work.map(({ finished_at }) => finished_at) ?? [];
}

test("a document that comes in is worked on under the viewer's eyes", async ({ page, context }) => {
  await page.goto("/#/agents");
  const title = await ingest(await context.newPage());
  await expect(lane(page, "Coordinator")).toContainText(`All are done with “${title}”`);
  await expect(lane(page, "Tagger")).toContainText(`“${title}”: suspension bridge`);
  await expect(lane(page, "Summariser")).toContainText("sentences");
  await expect(lane(page, "Indexer")).toContainText("indexed");

  const found = finding(page, title);
  await expect(found.getByRole("list", { name: "Tags" }).getByRole("listitem").first()).toHaveText("suspension bridge");
  await expect(found).toContainText("Wind is what a suspension bridge has to fear");
  await expect(found).not.toContainText("Lunch was good");
  await found.getByRole("link", { name: title, exact: true }).click();
  await expect(page.getByRole("dialog")).toContainText("two towers of steel");
});

test("a reload and a second viewer see the run from its start", async ({ page, context }) => {
  const title = await ingest(page);
  await page.goto("/#/agents");
  await expect(finding(page, title)).toBeVisible();
  await expect(lane(page, "Tagger")).toContainText(title);
  const second = await context.newPage();
  await second.goto("/#/agents");
  await page.reload();
  for (const viewer of [page, second]) {
    await expect(lane(viewer, "Tagger")).toContainText(title);
    await expect(lane(viewer, "Coordinator")).toContainText(title);
    await expect(viewer.getByRole("list", { name: "Agents" }).getByRole("listitem")).toHaveCount(names.length);
  }
});

test("the lanes can be those of one agent, and of one document", async ({ page }) => {
  const first = await ingest(page);
  const second = await ingest(page);
  await page.goto("/#/agents");
  await expect(lane(page, "Tagger")).toContainText(second);

  await page.getByLabel("Agent", { exact: true }).selectOption("Tagger");
  await expect(page.getByRole("list", { name: "Agents" }).getByRole("listitem")).toHaveCount(1);
  await expect(lane(page, "Tagger")).toContainText(second);

  await page.getByLabel("Document").selectOption(first);
  await expect(lane(page, "Tagger")).toContainText(first);
  await expect(finding(page, second)).toHaveCount(0);
  await expect(page).toHaveURL(/#\/agents\/[0-9a-f]+$/);

  await page.reload(); // the address names the document
  await expect(page.getByLabel("Document")).toContainText(first);
  for (const name of names) await expect(lane(page, name)).toContainText(first);

  await finding(page, first).getByRole("link", { name: second }).click(); // about the same
  for (const name of names) await expect(lane(page, name)).toContainText(second);
  await page.getByLabel("Document").selectOption("All documents");
  await expect(finding(page, first)).toBeVisible();
});

test("a document can be worked on again, and goes with the library's", async ({ page }) => {
  const title = await ingest(page);
  await page.goto("/#/agents");
  await expect(finding(page, title)).toContainText("suspension bridge");
  const before = await workOn(page, title);
  await finding(page, title).getByRole("button", { name: `Work on ${title} again` }).click();
  await expect.poll(async () => {
    const after = await workOn(page, title);
    return after.length === 3 && after.every((finished) => !before.includes(finished));
  }).toBe(true);
  await expect(finding(page, title).getByRole("list", { name: "Tags" })).toBeVisible();
  await expect(finding(page, title)).toContainText("Wind is what");

  await finding(page, title).getByRole("link", { name: title, exact: true }).click();
  const reader = page.getByRole("dialog");
  await reader.getByRole("button", { name: `Delete ${title}` }).click();
  await reader.getByRole("button", { name: `Delete for good: ${title}` }).click();
  await expect(reader).toHaveCount(0);
  await expect.poll(() => workOn(page, title)).toEqual([]);
});

test("what the agents do with a document is seen by its user alone", async ({ page, context, browser }) => {
  test.skip(!signsIn, "where nobody signs in there is one user");
  const title = await ingest(page);
  const hers = await browser.newContext();
  await enter(hers, "grace");
  const other = await hers.newPage();
  await page.goto("/#/agents");
  await other.goto("/#/agents");
  const second = await ingest(await context.newPage());
  await expect(lane(page, "Tagger")).toContainText(second);
  const own = await ingest(await hers.newPage()); // reported after those, in the same run
  await expect(lane(other, "Tagger")).toContainText(own);
  await expect(finding(other, own)).toBeVisible();
  for (const not of [title, second]) await expect(other.getByText(not)).toHaveCount(0);
  await expect(page.getByText(own)).toHaveCount(0);
  await hers.close();
});

for (const how of ["term", "kill"] as const) {
  test(`the page follows the next run when the backend is restarted (${how})`, async ({ page, context }) => {
    await page.goto("/#/agents");
    const before = await ingest(await context.newPage());
    for (const name of names) await expect(lane(page, name)).toContainText(before);
    await restartBackend(how, async () => {
      if (how === "kill") await expect(banner(page)).toBeVisible();
      await expect(page.getByRole("list", { name: "Agents" }).getByRole("listitem")).toHaveCount(names.length);
    });
    const title = await ingest(await context.newPage());
    for (const name of names) await expect(lane(page, name)).toContainText(title);
    await expect(finding(page, title)).toBeVisible();
  });
}

for (const colorScheme of ["light", "dark"] as const) {
  test(`nothing is wider than a phone (${colorScheme})`, async ({ browser }) => {
    const context = await browser.newContext({ viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, colorScheme });
    const page = await context.newPage();
    const title = await ingest(page);
    await page.goto("/#/agents");
    await expect(finding(page, title)).toBeVisible();
    const { scroll, client } = await page.evaluate(() => ({
      scroll: document.documentElement.scrollWidth,
      client: document.documentElement.clientWidth,
    }));
    expect(scroll).toBeLessThanOrEqual(client);
    await context.close();
  });
}
