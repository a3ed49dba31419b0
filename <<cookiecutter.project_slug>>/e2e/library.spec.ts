/** What was ingested can be found, read, taken away and deleted. */

import { readFile } from "node:fs/promises";
import { Card, expect, prose, test, upload } from "./fixtures";

test("a document is found by a word in it, with the hit marked", async ({ page }) => {
  const word = `needle${crypto.randomUUID().slice(0, 8)}`;
  const name = `${word}.md`;
  await page.goto("/");
  await upload(page, { name, buffer: `# The haystack\n\nIn all this hay there is one ${word}, and it is not easy to see.\n` });
  await Card.named(page, name).ended("Completed");

  await page.getByRole("searchbox", { name: "Search the documents" }).fill(word);
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

  await page.getByRole("searchbox", { name: "Search the documents" }).fill(`${word}-and-more`);
  await expect(library.getByText("Nothing found for")).toBeVisible();
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

  await page.getByRole("searchbox", { name: "Search the documents" }).fill(mark);
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
  await page.getByRole("searchbox", { name: "Search the documents" }).fill(word);
  const document = page.getByRole("region", { name: "Library" }).getByRole("listitem").filter({ hasText: word });
  const remove = document.getByRole("button", { name: `Delete ${word}`, exact: true });

  await remove.click();
  await document.getByRole("button", { name: "Keep" }).click();
  await expect(remove).toBeFocused();
  await remove.press("Enter");
  await document.getByRole("button", { name: `Delete ${word} for good` }).press("Enter");
  await expect(document).toHaveCount(0);
  await expect(page.getByText("Nothing found for")).toBeVisible();
});
