/** An address, a feed, a sitemap: what is taken in, step by step, and what becomes of it when something breaks. */

import type { Locator } from "@playwright/test";
import { baseURL } from "./browser";
import { Card, expect, fetchUrl, prose, test } from "./fixtures";
import type { Page } from "./fixtures";
import { Wire } from "./wire";

const PAGE = "text/html; charset=utf-8";

function rss(title: string, links: readonly string[]): string {
  const items = links.map((link) => `<item><title>${link}</title><link>${link}</link></item>`).join("");
  return `<?xml version="1.0"?><rss version="2.0"><channel><title>${title}</title>${items}</channel></rss>`;
}

function article(title: string): string {
  return `<!doctype html><title>${title}</title><article><p>${prose(600)}</p></article>`;
}

function bar(card: Card): Locator {
  return card.root.getByRole("progressbar");
}

async function percent(card: Card): Promise<number> {
  return Number(await bar(card).getAttribute("aria-valuenow"));
}

/** Chooses which items of a feed are taken in. */
async function limit(page: Page, label: string): Promise<void> {
  await page.getByLabel("Of a feed or a sitemap").selectOption({ label });
}

test("an address is followed from its form and in its card, step by step", async ({ page, source }) => {
  const document = source.serve("steps.txt");
  await page.goto("/");
  await fetchUrl(page, document.url);
  const card = Card.named(page, document.name);
  const start = page.getByRole("listitem").filter({ hasText: document.url }).first();
  await expect(start).toContainText("Fetching");
  await expect(card.root.getByRole("listitem").filter({ hasText: "Fetch" })).toHaveAttribute("aria-current", "step");
  const before = await percent(card);

  await document.write(prose(1_100_000));
  await expect(start).toContainText("Received 1");
  await expect.poll(() => percent(card)).toBeGreaterThan(before);
  await document.end();
  await card.ended("Completed");
  await expect(bar(card)).toHaveAttribute("aria-valuenow", "100");
  await expect(page.getByText("Received 1").filter({ visible: true })).toHaveCount(1); // in the log alone: the start is done
  await card.expectWhole();
});

test("an address that is known is not fetched again, unless it is asked for", async ({ page, source }) => {
  const document = source.serve("known.txt");
  await page.goto("/");
  await fetchUrl(page, document.url);
  await document.end(prose(500));
  await Card.named(page, document.name).ended("Completed");

  await fetchUrl(page, document.url);
  const start = page.getByRole("listitem").filter({ hasText: "Already ingested" }).filter({ hasText: document.url });
  await expect(start).toContainText("nothing to do");
  const anew = source.serve("known.txt");
  await start.getByRole("button", { name: "Fetch it anew" }).click();
  const card = Card.named(page, document.name);
  await expect(card.row("size not announced")).toBeVisible();
  await anew.end(prose(500));
  await card.ended("Completed");
  await expect(card.row("Stored")).toBeVisible();
  await expect(start).toHaveCount(0);
});

test("a feed is taken in item by item, over a reload, and an item that fails is passed over", async ({ page, source }) => {
  const title = `News ${crypto.randomUUID()}`;
  const names = ["one", "two", "three"].map((name) => `${name}-${crypto.randomUUID()}`) as [string, string, string];
  const [one, two, three] = names.map((name) => source.serve(`${name}.html`, PAGE));
  if (one === undefined || two === undefined || three === undefined) throw new Error("unreachable");
  const feed = source.serve(`feed-${crypto.randomUUID()}.xml`, "application/rss+xml");

  await page.goto("/");
  await limit(page, "all");
  await fetchUrl(page, feed.url);
  await feed.end(rss(title, [one.url, `${source.origin}/missing.html`, two.url, three.url]));
  const card = Card.named(page, feed.name);
  await one.end(article(names[0]));
  await expect(card.row(`1/4: Stored “${names[0]}”`)).toBeVisible();
  await expect(card.row("2/4:")).toContainText("404");

  await page.reload();
  await expect(page.getByLabel("Of a feed or a sitemap")).toHaveValue("all");
  await expect(card.row(`1/4: Stored “${names[0]}”`)).toBeVisible();
  await expect(card.badge).toHaveText("Live");
  await expect.poll(() => percent(card)).toBeGreaterThan(50);
  await two.end(article(names[1]));
  await three.end(article(names[2]));
  await card.ended("Completed");
  await expect(card.root).toContainText(`“${title}”: 3 stored, 0 known already, 1 failed`);
  await card.expectWhole();

  await page.getByRole("searchbox", { name: "Search the documents" }).fill(names[2]);
  await expect(page.getByRole("region", { name: "Library" }).getByRole("link", { name: names[2], exact: true })).toBeVisible();
});

test("a job whose viewer leaves goes on, and is found by another", async ({ page, source, browser }) => {
  const document = source.serve(`left-${crypto.randomUUID()}.txt`);
  await page.goto("/");
  await fetchUrl(page, document.url);
  await expect(Card.named(page, document.name).row("size not announced")).toBeVisible();
  await page.close();

  const visitor = await browser.newContext({ baseURL });
  const other = await visitor.newPage();
  await other.goto("/");
  const card = Card.named(other, document.name);
  await expect(card.badge).toHaveText("Live");
  await document.end(prose(900));
  await card.ended("Completed");
  await card.expectWhole();
  await visitor.close();
});

test("a network that is cut in mid-stream and mended loses nothing", async ({ page, source }) => {
  const wire = await Wire.between(page, baseURL);
  const document = source.serve(`cut-${crypto.randomUUID()}.txt`);
  await page.goto(wire.url);
  await fetchUrl(page, document.url);
  const card = Card.named(page, document.name);
  const start = page.getByRole("listitem").filter({ hasText: document.url }).first();
  await document.write(prose(1_100_000));
  await expect(card.row("Received 1")).toBeVisible();
  await expect(start).toContainText("Received 1");

  wire.cut();
  await expect(card.badge).toHaveText("Reconnecting");
  await document.write(prose(1_100_000));
  await wire.mend();
  await expect(card.row("Received")).toHaveCount(2);
  await expect(start).toContainText("Received 2"); // the start has gone on by the job's own stream
  await document.end();
  await card.ended("Completed");
  await card.expectWhole();
  await wire.stop();
});
