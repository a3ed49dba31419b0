/** What was ingested can be found, read, taken away and deleted. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { Card, dataFolder, expect, fetchUrl, prose, test, upload } from "./fixtures";
import type { Page } from "./fixtures";

/** `make e2e` says which Python has the app. */
const python = process.env.E2E_PYTHON || "python3";

async function search(page: Page, query: string): Promise<void> {
  await page.getByRole("searchbox", { name: "Search the documents" }).fill(query);
}

test("a document is found by a word in it, with the hit marked", async ({ page }) => {
  const word = `needle${crypto.randomUUID().slice(0, 8)}`;
  const name = `${word}.md`;
  await page.goto("/");
  await upload(page, { name, buffer: `# The haystack\n\nIn all this hay there is one ${word}, and it is not easy to see.\n` });
  await Card.named(page, name).ended("Completed");

  await search(page, word);
  const library = page.getByRole("region", { name: "Library" });
  await expect(library.getByText("1 document found")).toBeVisible();
  await expect(library.locator("mark")).toHaveText(word);

  await library.getByRole("link", { name: "The haystack", exact: true }).click();
  const reader = page.getByRole("dialog", { name: "The haystack" });
  await expect(reader).toContainText(`there is one ${word}`);
  await page.reload();
  await expect(reader).toContainText(`there is one ${word}`);
  await page.keyboard.press("Escape");
  await expect(reader).toHaveCount(0);

  await search(page, `${word}-and-more`);
  await expect(library.getByText("Nothing found for")).toBeVisible();
});

test("a page that has changed is a version of its document, and found by what it says now, in Chinese and Japanese too", async ({ page, source }) => {
  const name = `changing-${crypto.randomUUID()}.html`;
  const serve = (text: string) => {
    const served = source.serve(name, "text/html; charset=utf-8");
    return { ...served, end: () => served.end(`<!doctype html><title>A page that changes</title><article><p>${text}</p></article>`) };
  };
  const before = serve("昨日、町の図書館で古い地図を借りました。");
  await page.goto("/");
  await fetchUrl(page, before.url);
  await before.end();
  await Card.named(page, before.name).ended("Completed");
  await fetchUrl(page, before.url);
  const after = serve("今日は友達と岬の灯台を見ました。机器学习正在改变软件开发。");
  await page.getByRole("listitem").filter({ hasText: before.url }).getByRole("button", { name: "Fetch it anew" }).click();
  await after.end();
  await expect(Card.named(page, before.name).row("as version 2, in place of “A page that changes”")).toBeVisible();

  const library = page.getByRole("region", { name: "Library" });
  for (const word of ["灯台", "学习"]) {
    await search(page, word);
    await expect(library.locator("mark")).toHaveText(word);
    await expect(library.getByText("1 document found")).toBeVisible();
  }
  await expect(library.getByRole("listitem")).toContainText("version\u00a02");
  await library.getByRole("link", { name: "A page that changes", exact: true }).click();
  const reader = page.getByRole("dialog", { name: "A page that changes" });
  await expect(reader).toContainText("version\u00a02");
  await expect(reader).toContainText("岬の灯台を見ました");
  await page.keyboard.press("Escape");
  await expect(reader).toHaveCount(0); // what is behind it can be written into from then on
  await search(page, "図書館");
  await expect(library.getByText("Nothing found for “図書館”")).toBeVisible();
});

test("while the index is made anew the page says what cannot be found yet, and then finds it by itself", async ({ page }) => {
  test.slow(); // all that the tests before it have taken in is indexed
  const word = `anew${crypto.randomUUID().slice(0, 8)}`;
  await page.goto("/");
  await upload(page, { name: `${word}.md`, buffer: `# Found again\n\nThere is ${word} in it.\n` });
  await Card.named(page, `${word}.md`).ended("Completed");
  const other = spawn(python, [fileURLToPath(new URL("index_anew.py", import.meta.url)), dataFolder()], { stdio: ["pipe", "pipe", "inherit"] });
  const ended = once(other, "exit");
  await Promise.race([
    once(other.stdout, "data"),
    ended.then(([code]) => Promise.reject(new Error(`${python} index_anew.py ended with ${String(code)}`))),
  ]);

  const library = page.getByRole("region", { name: "Library" });
  await search(page, word);
  await expect(library.getByText(/^The search index is being made anew: [\d,]+ documents? cannot be found yet\.$/)).toBeVisible();
  await expect(library.getByText("Nothing found for")).toBeVisible();
  other.stdin.end();
  await expect(library.getByText("1 document found")).toBeVisible();
  await expect(library.locator("mark")).toHaveText(word);
  expect(await ended).toEqual([0, null]);
  await expect(library.getByText("cannot be found yet")).toHaveCount(0);
});

test("65: hostile content stays text: in the log, in the list, in a search, in the reader", async ({ page }) => {
  const mark = `x${crypto.randomUUID().slice(0, 8)}`;
  const hostile = `<img src=x onerror="window.pwned=1"> ${mark}`;
  const name = `<img src=x onerror=window.pwned=1>${mark}.html`;
  const dialogs: string[] = [];
  page.on("dialog", (dialog) => {
    dialogs.push(dialog.message());
    void dialog.dismiss();
  });
  await page.goto("/");
  await upload(page, {
    name,
    mimeType: "text/html",
    buffer: `<!doctype html><title>${hostile.replaceAll("<", "&lt;")}</title><article><p>${hostile.replaceAll("<", "&lt;")} and some more words to read, so that there is a text.</p><script>window.pwned = 1; alert(1)</script></article>`,
  });
  const card = new Card(page, page.getByRole("article").filter({ hasText: mark }).first());
  await card.ended("Completed");
  await expect(card.row("<img src=x").first()).toBeVisible();

  await search(page, mark);
  const library = page.getByRole("region", { name: "Library" });
  await expect(library.getByText("1 document found")).toBeVisible();
  await expect(library.locator("mark").first()).toHaveText(mark);
  await library.getByRole("heading", { level: 3 }).getByRole("link").click();
  await expect(page.getByRole("dialog")).toContainText(mark);

  await expect(page.locator("img[src=x]")).toHaveCount(0);
  expect(await page.evaluate(() => "pwned" in window)).toBe(false);
  expect(dialogs).toEqual([]);
});

test("65: what a message holds is inert, whatever the server lets through", async ({ page }) => {
  const name = `${crypto.randomUUID()}.txt`;
  const messages = [
    "a line before",
    `<img src=x onerror="window.pwned=1"><script>window.pwned=1</script><svg onload="window.pwned=1">`,
    `javascript:window.pwned=1 [a link](javascript:window.pwned=1) <a href="javascript:window.pwned=1">a link</a>`,
    "\u001b[31mred\u001b[2J\u001b]8;;javascript:window.pwned=1\u0007a link\u001b]8;;\u0007 \u001b]0;pwned\u0007",
    "\u202Eexe.txt\u2066\u2067 and no end of it",
    "a line after",
  ];
  const dialogs: string[] = [];
  page.on("dialog", (dialog) => {
    dialogs.push(dialog.message());
    void dialog.dismiss();
  });
  await page.goto("/");
  await upload(page, { name, buffer: prose(400) });
  await Card.named(page, name).ended("Completed");
  await page.route(/\/api\/log\/[\w-]+(\?|$)/, (route) => {
    const logs = [...messages.map((message, t) => ({ event: "log", message, level: "info", t })), { event: "done", status: "completed", t: 9 }];
    return route.fulfill({ json: { logs, next: logs.length, closed: true } });
  });
  await Card.named(page, name).link("Open").click();
  const card = Card.only(page);
  await expect.poll(async () => (await card.lines()).map(({ text }) => text)).toEqual(messages.with(3, "   a link ")); // as a terminal shows it: the screen was erased

  await expect(card.root.locator("[role=log] :is(img, script, svg, iframe, [onload], [onerror], [href^='javascript'])")).toHaveCount(0);
  // What turns the direction of text turns that of its own message alone: the others, and the times before all, stand as ever.
  const places = await card.rows.evaluateAll((rows) =>
    rows.map((row) => [...row.children].map((part) => [part.className, part.getBoundingClientRect().left])),
  );
  expect(new Set(places.map((place) => JSON.stringify(place))).size).toBe(1);
  expect(await page.evaluate(() => "pwned" in window)).toBe(false);
  expect(await page.title()).not.toContain("pwned");
  expect(dialogs).toEqual([]);
});

test("the original is downloaded as it came", async ({ page }) => {
  const name = `${crypto.randomUUID()}.txt`;
  const text = prose(3000);
  await page.goto("/");
  await upload(page, { name, buffer: text });
  await Card.named(page, name).ended("Completed");
  await Card.named(page, name).link(`Read ${name}`).click();

  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("dialog").getByRole("link", { name: /^Download the original/ }).click(),
  ]);
  expect(download.suggestedFilename()).toBe(name);
  expect(await readFile(await download.path(), "utf8")).toBe(text);
});

test("deleting asks first, and then it is gone", async ({ page }) => {
  const word = `d${crypto.randomUUID().slice(0, 8)}`;
  await page.goto("/");
  await upload(page, { name: `${word}.md`, buffer: `# ${word}\n\n${prose(400)}` });
  await Card.named(page, `${word}.md`).ended("Completed");
  await search(page, word);
  const document = page.getByRole("region", { name: "Library" }).getByRole("listitem").filter({ hasText: word });
  const remove = document.getByRole("button", { name: `Delete ${word}`, exact: true });

  await remove.click();
  await document.getByRole("button", { name: "Keep" }).click();
  await expect(remove).toBeFocused();
  await remove.press("Enter");
  await document.getByRole("button", { name: `Delete for good: ${word}` }).press("Enter");
  await expect(document).toHaveCount(0);
  await expect(page.getByText("Nothing found for")).toBeVisible();
});
