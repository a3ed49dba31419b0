/** What is done to jobs, and what becomes of them. */

import { readFile } from "node:fs/promises";
import { Card, expect, fetchUrl, pdf, prose, test, upload } from "./fixtures";

test("several files are several jobs, by choice or by drop", async ({ page }) => {
  const [first, second, dropped] = ["one.txt", "two.md", "three.html"].map((name) => `${crypto.randomUUID()}-${name}`) as [string, string, string];
  await page.goto("/");
  await upload(page, { name: first, buffer: prose(900) }, { name: second, buffer: `# A title\n\n${prose(900)}` });

  const transfer = await page.evaluateHandle(
    ({ name, text }) => {
      const data = new DataTransfer();
      data.items.add(new File([text], name, { type: "text/html" }));
      return data;
    },
    { name: dropped, text: `<!doctype html><title>Dropped</title><article><p>${prose(900)}</p></article>` },
  );
  await page.dispatchEvent("body", "dragover", { dataTransfer: transfer });
  await expect(page.getByText("Let go to add them")).toBeVisible();
  await page.dispatchEvent("body", "drop", { dataTransfer: transfer });

  for (const name of [first, second, dropped]) {
    const card = Card.named(page, name);
    await card.ended("Completed");
    await card.expectWhole();
  }
});

test("a PDF goes in, and its text comes out", async ({ page }) => {
  const word = `w${crypto.randomUUID().replaceAll("-", "")}`;
  const name = `${word}.pdf`;
  await page.goto("/");
  await upload(page, { name, mimeType: "application/pdf", buffer: pdf("A small report", [`The first page says ${word}.`, "The second says little."]) });
  const card = Card.named(page, name);
  await card.ended("Completed");
  await card.link(`Read ${name}`).click();
  await expect(page.getByRole("dialog").getByText(`The first page says ${word}.`)).toBeVisible();
});

test("cancelling ends the job, here and for those who come later", async ({ page, source }) => {
  const document = source.serve("cancelled.txt");
  await page.goto("/");
  await fetchUrl(page, document.url);
  const card = Card.named(page, document.name);
  await expect(card.row("size not announced")).toBeVisible();

  await card.button(/^Cancel/).click();
  await card.ended("Cancelled");
  await expect(card.button(/^Cancel/)).toHaveCount(0);
  await card.expectWhole();
  await expect.poll(async () => (await card.stored()).closed).toBe(true); // its row says so first

  await page.reload();
  await card.ended("Cancelled");
  await card.expectWhole();
});

test("a job that fails says why, in its log and in the list", async ({ page }) => {
  const name = `${crypto.randomUUID()}.pdf`;
  await page.goto("/");
  await upload(page, { name, mimeType: "application/pdf", buffer: `%PDF-1.4\n${prose(200)}` });
  const card = Card.named(page, name);
  await card.ended("Failed");
  const error = card.root.locator(".streamator-log-entry--error");
  await expect(error).toHaveCount(1);
  const reason = await error.locator(".streamator-log-text").innerText();
  expect(reason).toMatch(/PDF/);

  await card.button(name).click(); // closes the log
  await expect(card.rows).toHaveCount(0);
  await expect(card.root.getByText(reason)).toBeVisible();
});

test("an address that leads nowhere fails with the server's answer", async ({ page, source }) => {
  await page.goto("/");
  await fetchUrl(page, `${source.origin}/missing.html`);
  const card = Card.named(page, `${new URL(source.origin).host}/missing.html`);
  await card.ended("Failed");
  await expect(card.row("404 Not Found")).toHaveCount(1);
});

test("a WebSocket shows the same lines as they come, and is remembered", async ({ page, source }) => {
  const streams: string[] = [];
  const sockets: string[] = [];
  page.on("request", (request) => {
    if (request.method() === "GET" && request.url().endsWith("/stream")) streams.push(request.url());
  });
  page.on("websocket", (socket) => {
    if (socket.url().includes("/api/log/")) sockets.push(socket.url());
  });
  const document = source.serve("socket.txt");
  await page.goto("/");
  await page.getByRole("radio", { name: "Socket" }).check();
  await fetchUrl(page, document.url);
  const card = Card.named(page, document.name);
  await expect(card.badge).toHaveText("Live");
  await document.write(prose(1_100_000));
  await expect(card.row("Received 1")).toHaveCount(1);
  expect((await card.stored()).closed).toBe(false);

  await page.reload();
  await expect(page.getByRole("radio", { name: "Socket" })).toBeChecked();
  await expect(card.badge).toHaveText("Live");
  await document.end(prose(1000));
  await card.ended("Completed");
  await card.expectWhole();
  expect(sockets).toHaveLength(2);
  for (const url of sockets) expect(url).toMatch(/^ws:.*\/ws$/);
  expect(streams).toEqual([]);
});

test("polling shows the same lines without a stream, and is remembered", async ({ page, source }) => {
  const streams: string[] = [];
  page.on("request", (request) => {
    if (request.method() === "GET" && request.url().endsWith("/stream")) streams.push(request.url());
  });
  const document = source.serve("polled.txt");
  await page.goto("/");
  await page.getByRole("radio", { name: "Poll" }).check();
  await fetchUrl(page, document.url);
  const card = Card.named(page, document.name);
  await expect(card.badge).toHaveText("Polling");
  await document.write(prose(1_100_000));
  await expect(card.row("Received 1")).toHaveCount(1);
  expect((await card.stored()).closed).toBe(false);

  await page.reload();
  await expect(page.getByRole("radio", { name: "Poll" })).toBeChecked();
  await expect(card.badge).toHaveText("Polling");
  await document.end(prose(1000));
  await card.ended("Completed");
  await card.expectWhole();
  expect(streams).toEqual([]);
});

test("a past job is reopened from the snapshot, by another visitor too", async ({ page, browser }) => {
  const name = `${crypto.randomUUID()}.txt`;
  await page.goto("/");
  await upload(page, { name, buffer: prose(1200) });
  const card = Card.named(page, name);
  await card.ended("Completed");
  const lines = await card.lines();

  const visitor = await browser.newContext();
  const other = await visitor.newPage();
  const requests: string[] = [];
  other.on("request", (request) => requests.push(new URL(request.url()).pathname));
  await other.goto(page.url());
  const past = Card.named(other, name);
  await expect(past.badge).toHaveText("Completed");
  await expect(past.rows).toHaveCount(0);
  await past.button(name).click();
  await expect.poll(() => past.lines()).toEqual(lines);
  const id = await past.id();
  expect(requests).toContain(`/api/log/${id}`);
  expect(requests).not.toContain(`/api/log/${id}/stream`);
  await visitor.close();
});

test("the same document twice is known the second time", async ({ page }) => {
  const name = `${crypto.randomUUID()}.txt`;
  const buffer = prose(700);
  await page.goto("/");
  await upload(page, { name, buffer });
  await Card.named(page, name).ended("Completed");
  await Card.named(page, name).button("Run again").click();
  await expect(page.getByRole("heading", { name, exact: true })).toHaveCount(2);
  const again = Card.named(page, name);
  await again.ended("Completed");
  await expect(again.row("Already ingested")).toHaveClass(/streamator-log-entry--warning/);
});

test("a job's own page finds, filters and downloads its lines", async ({ page }) => {
  const name = `${crypto.randomUUID()}.txt`;
  await page.goto("/");
  await upload(page, { name, buffer: prose(900) });
  await Card.named(page, name).ended("Completed");
  await Card.named(page, name).link("Open").click();
  const card = Card.only(page);
  await expect(card.root.getByText("Ended: completed")).toBeVisible();
  await card.expectWhole();
  const { lines } = await card.stored();

  await card.root.getByRole("log").press("/");
  await page.keyboard.type("ARCHIVING");
  await expect(card.root.getByRole("status").filter({ hasText: /^1$/ })).toBeVisible();
  const marked = await page.evaluate(() => [...CSS.highlights.values()].flatMap((highlight) => [...highlight].map(String)));
  expect(marked).toEqual(["Archiving"]);

  await card.button(/ info$/).click();
  await expect.poll(() => card.lines()).toEqual(lines.filter(({ level }) => level !== "info"));

  const [download] = await Promise.all([page.waitForEvent("download"), card.button("Download").click()]);
  expect(download.suggestedFilename()).toBe(`${name}.log`);
  const text = await readFile(await download.path(), "utf8");
  expect(text.trimEnd().split("\n")).toHaveLength(lines.length);
});
