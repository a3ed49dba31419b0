/** A running job, as those see it who look: live, late, again after a reload, and with many others. */

import { Card, expect, fetchUrl, prose, test, upload } from "./fixtures";
import { legibility } from "./legibility";

const MB = 1_000_000;

test("lines arrive one after another, each when it is logged", async ({ page, source }) => {
  const document = source.serve("slow.txt");
  await page.goto("/");
  await fetchUrl(page, document.url);
  const card = Card.named(page, document.name);

  // The document has not begun to arrive, and the page tells of the steps before it.
  await expect(card.badge).toHaveText("Live");
  await expect(card.row("size not announced")).toBeVisible();
  const before = await card.rows.count();

  // Each line below is on the page before the next part of the document so much as exists.
  await document.write(prose(1.1 * MB));
  await expect(card.row("Received 1")).toHaveCount(1);
  await expect(card.badge).toHaveText("Live");
  expect((await card.stored()).closed).toBe(false);

  await document.write(prose(1.1 * MB));
  await expect(card.row("Received")).toHaveCount(2);
  expect(await card.rows.count()).toBe(before + 2);
  expect((await card.stored()).closed).toBe(false);

  await document.end();
  await card.ended("Completed");
  await expect(card.row("Stored")).toBeVisible();
  await card.expectWhole();
});

test("a second tab that comes late sees everything, and both see the rest", async ({ page, context, source }) => {
  const document = source.serve("two-tabs.txt");
  await page.goto("/");
  await fetchUrl(page, document.url);
  const card = Card.named(page, document.name);
  await document.write(prose(1.1 * MB));
  await expect(card.row("Received 1")).toBeVisible();

  const [late] = await Promise.all([
    context.waitForEvent("page"),
    card.link("on a page of its own").click({ modifiers: ["ControlOrMeta"] }),
  ]);
  const lateCard = Card.only(late);
  await expect(lateCard.row("Received 1")).toBeVisible();
  expect(await lateCard.lines()).toEqual(await card.lines());

  await document.end(prose(1.1 * MB));
  for (const one of [card, lateCard]) {
    await one.ended("Completed");
    await one.expectWhole();
  }
});

test("a reload in mid-job loses nothing and doubles nothing", async ({ page, source }) => {
  const document = source.serve("reload.txt");
  await page.goto("/");
  await fetchUrl(page, document.url);
  const card = Card.named(page, document.name);

  for (const part of [1, 2, 3]) {
    await document.write(prose(1.1 * MB));
    await expect(card.row("Received")).toHaveCount(part);
    await page.reload();
    await expect(card.row("Received")).toHaveCount(part);
    await card.expectWhole();
  }

  await document.end();
  await card.ended("Completed");
  await card.expectWhole();
  await page.reload();
  await card.ended("Completed");
  await card.expectWhole();
});

test("a job's own page keeps its address over a reload", async ({ page, source }) => {
  const document = source.serve("own-page.txt");
  await page.goto("/");
  await fetchUrl(page, document.url);
  const listed = Card.named(page, document.name);
  await expect(listed.badge).toHaveText("Live");
  const id = await listed.id();

  await listed.link("on a page of its own").click();
  await expect(page).toHaveURL(new RegExp(`#/jobs/${id}$`));
  await page.reload();
  const card = Card.only(page);
  await expect(page.getByRole("heading", { level: 1 })).toHaveText(document.name);
  await expect(card.badge).toHaveText("Live");

  await document.end(prose(1000));
  await card.ended("Completed");
  await card.expectWhole();
  await page.getByRole("link", { name: "All jobs" }).click();
  await expect(Card.named(page, document.name).badge).toHaveText("Completed");
});

test("levels are coloured, legibly, in light and dark", async ({ page }) => {
  const name = `${crypto.randomUUID()}.pdf`;
  await page.goto("/");
  // Plain text that calls itself PDF: the job warns, and goes on.
  await upload(page, { name, mimeType: "application/pdf", buffer: prose(500) });
  const card = Card.named(page, name);
  await card.ended("Completed");
  const broken = `${crypto.randomUUID()}.pdf`;
  await upload(page, { name: broken, mimeType: "application/pdf", buffer: `%PDF-1.4 ${prose(100)}` });
  const failed = Card.named(page, broken);
  await failed.ended("Failed");

  const rows = {
    info: card.row(`Received`).first(),
    warning: card.root.locator(".streamator-log-entry--warning").first(),
    success: card.root.locator(".streamator-log-entry--success").first(),
    error: failed.root.locator(".streamator-log-entry--error").first(),
    time: card.root.locator(".streamator-log-time").first(),
  };
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    const colours = new Set<string>();
    for (const [level, row] of Object.entries(rows)) {
      const { colour, contrast } = await legibility(row);
      expect(contrast, `${level} in ${colorScheme}: ${colour}`).toBeGreaterThanOrEqual(4.5);
      colours.add(colour);
    }
    expect(colours.size, "each level has a colour of its own").toBe(Object.keys(rows).length);
  }
});

test("38: seven jobs at once: four stream, the others poll, and the page still works", async ({ page, source }) => {
  const documents = Array.from({ length: 7 }, (_, index) => source.serve(`many-${index}.txt`));
  await page.goto("/");
  for (const document of documents) await fetchUrl(page, document.url);
  const cards = documents.map((document) => Card.named(page, document.name));
  for (const card of cards) await expect(card.row("size not announced")).toBeVisible();

  await expect(page.locator(".badge", { hasText: "Live" })).toHaveCount(4);
  await expect(page.locator(".badge", { hasText: "Polling" })).toHaveCount(3);
  await expect(page).toHaveTitle(/^7 running/);

  // With every connection taken by a stream this search would never be answered.
  await page.getByRole("searchbox", { name: "Search the documents" }).fill("nothing-has-this-word");
  await expect(page.getByText("Nothing found for")).toBeVisible();

  for (const [index, document] of documents.entries()) await document.end(prose(2000 + index));
  for (const card of cards) {
    await card.ended("Completed");
    await card.expectWhole();
  }
});
