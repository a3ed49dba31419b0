/** Runs: their stages, their drafts while they grow, and what becomes of them. The model's words are the test's own. */

import { readFile } from "node:fs/promises";
import type { Locator } from "@playwright/test";
import { baseURL } from "./browser";
import { test as base, expect, restartBackend } from "./fixtures";
import type { Page } from "./fixtures";
import { Model } from "./model";
import { Wire } from "./wire";

const test = base.extend<{ model: Model }>({
  // oxlint-disable-next-line no-empty-pattern -- Playwright reads a fixture's needs from this very pattern
  model: async ({}, provide) => {
    const model = await Model.start();
    await provide(model);
    await model.stop();
  },
});

const BEGIN = "## Key points\n\n- A lighthouse shows ships where the coast is.\n";
const MIDDLE = "- Its lens is made of rings of glass.\n\n## In short\n\n";
const END = "Lighthouses went from open fires to lenses, and in the end they needed nobody to look after them.\n";
const DRAFT = BEGIN + MIDDLE + END;

/** A run's card. */
class RunCard {
  readonly root: Locator;
  readonly badge: Locator;
  readonly draft: Locator;
  readonly output: Locator;
  readonly bar: Locator;

  constructor(page: Page, text: string) {
    this.root = page.getByRole("article", { name: text });
    this.badge = this.root.locator(".badge");
    this.draft = this.root.getByRole("region", { name: "Draft of" });
    this.output = this.root.getByRole("region", { name: "Output of" });
    this.bar = this.root.getByRole("progressbar");
  }

  button(name: string | RegExp): Locator {
    return this.root.getByRole("button", { name });
  }

  /** The draft comes to be this, and nothing beside it. */
  async hasDraft(text: string): Promise<void> {
    await expect.poll(() => this.draft.locator(".streamator-draft-plain").textContent()).toBe(text);
  }

  /** The stages, each with what it is: done, current, stopped or pending. */
  async stages(): Promise<string[]> {
    const items = await this.root.getByRole("list", { name: "Stages" }).getByRole("listitem").allInnerTexts();
    return items.map((text) => text.replace(/\s+/g, " ").trim());
  }
}

/** A text that no other test gives, and its first words, by which its run is named. */
function someText(): { text: string; name: string } {
  const name = `Lighthouse ${crypto.randomUUID()}`;
  return { name, text: `${name} stands on the coast. ${"It sends light out to sea, for ships to see. ".repeat(20)}` };
}

/** Starts a run, as a user does, and gives its card. */
async function generate(page: Page, { text, name }: { text: string; name: string }, by: "model" | "built in" = "model"): Promise<RunCard> {
  await page.getByLabel("Text").fill(text);
  await page.getByLabel("Written by").selectOption(by === "model" ? "openai" : "extractive");
  await page.getByRole("button", { name: "Generate", exact: true }).click();
  return new RunCard(page, name);
}

test("a draft grows while it is written, and is checked before it is the output", async ({ page, model }) => {
  await page.goto("/#/generate");
  const run = await generate(page, someText());
  const writing = await model.next();
  writing.write(BEGIN);
  await expect(run.draft).toContainText("A lighthouse shows ships where the coast is.");
  await expect(run.badge).toHaveText("Live");
  await expect(run.bar).toHaveAttribute("aria-valuenow", /^[34]\d$/);
  expect(await run.stages()).toEqual([
    expect.stringContaining("Prompt (done)"),
    expect.stringContaining("Draft (current)"),
    expect.stringContaining("Format (pending)"),
    expect.stringContaining("Check (pending)"),
    expect.stringContaining("Done (pending)"),
  ]);
  await expect(run.output).toHaveCount(0);

  writing.write(MIDDLE);
  await expect(run.draft).toContainText("Its lens is made of rings of glass.");
  writing.end(END);
  await expect(run.badge).toHaveText("Completed");
  await expect(run.bar).toHaveAttribute("aria-valuenow", "100");
  await expect(run.output.getByRole("heading")).toHaveText(["Key points", "In short"]);
  await expect(run.output.getByRole("listitem")).toHaveCount(2);
  await expect(run.root).toContainText("openai,");
  await expect(run.root).toContainText("38 words of");
});

test("draft and output can be copied and downloaded", async ({ page, context, model }) => {
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await page.goto("/#/generate");
  const run = await generate(page, someText());
  const writing = await model.next();
  writing.write(BEGIN);
  await expect(run.draft).toContainText("A lighthouse");
  await run.button("Copy").click();
  await expect(run.button("Copied")).toBeVisible();
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(BEGIN);
  const [draft] = await Promise.all([page.waitForEvent("download"), run.button("Download").click()]);
  expect(draft.suggestedFilename()).toMatch(/^summary-of-lighthouse-.*-draft\.md$/);
  expect(await readFile(await draft.path(), "utf8")).toBe(BEGIN);

  writing.end(MIDDLE + END);
  await expect(run.output).toBeVisible();
  await run.button(/^Cop/).first().click();
  await expect.poll(() => page.evaluate(() => navigator.clipboard.readText())).toBe(DRAFT);
  const [output] = await Promise.all([page.waitForEvent("download"), run.button("Download").first().click()]);
  expect(output.suggestedFilename()).toMatch(/^summary-of-lighthouse-.*[^t]\.md$/);
  expect(await readFile(await output.path(), "utf8")).toBe(DRAFT);
  await run.root.getByText("The draft as text").click();
  await expect(run.draft).toContainText("## In short");
});

test("a draft that breaks a rule is sent back, and the page says why", async ({ page, model }) => {
  await page.goto("/#/generate");
  const run = await generate(page, someText());
  (await model.next()).end(BEGIN);
  const again = await model.next();
  expect(again.asked).toContain("The heading “## In short” is missing.");
  await expect(run.root).toContainText("Sent back (1 of 2): The heading “## In short” is missing.");
  await expect(run.bar).toHaveAttribute("aria-valuenow", "85");
  await expect(run.draft).not.toContainText("A lighthouse");
  again.write("## Key points\n\n- Light.\n\n[made up](https://nowhere.example/)\n\n");
  again.end(`## In short\n\n${END}`);
  const last = await model.next();
  expect(last.asked).toContain("The link https://nowhere.example/ is not in the text");
  last.end(DRAFT);
  await expect(run.badge).toHaveText("Completed");
  expect(await run.stages()).toContainEqual(expect.stringContaining("Again (done)"));
  await expect(run.root).toContainText(/Drafts\s*3/);
});

test("a draft that stays bad is shown, and the run has failed", async ({ page, model }) => {
  await page.goto("/#/generate");
  const run = await generate(page, someText());
  for (let draft = 0; draft < 3; draft += 1) (await model.next()).end(BEGIN);
  await expect(run.badge).toHaveText("Failed");
  await expect(run.root).toContainText("Not usable after 3 drafts");
  await expect(run.output).toContainText("A lighthouse shows ships");
  await expect(run.root).toContainText(/Problems\s*The heading “## In short” is missing\./);
});

test("without streaming the result comes as a whole, and the choice is remembered", async ({ page, model }) => {
  const asked: string[] = [];
  page.on("request", (request) => {
    const { pathname } = new URL(request.url());
    if (/^\/api\/(run|log|job)\b/.test(pathname) && (request.method() === "POST" || pathname.endsWith("/stream"))) asked.push(pathname);
  });
  await page.goto("/#/generate");
  await page.getByRole("switch", { name: "Show it while it is written" }).uncheck();
  await page.reload();
  await expect(page.getByRole("switch")).not.toBeChecked();
  const run = await generate(page, someText());
  const writing = await model.next();
  writing.write(BEGIN);
  await expect(run.root).toContainText("streaming is off");
  await expect(run.draft).toHaveCount(0);
  expect(asked).toEqual(["/api/run"]);
  writing.end(MIDDLE + END);
  await expect(run.badge).toHaveText("Completed");
  await expect(run.output.getByRole("heading")).toHaveText(["Key points", "In short"]);
});

for (const streaming of [true, false]) {
  test(`a run is cancelled, and the model is let go (${streaming ? "streamed" : "whole"})`, async ({ page, model }) => {
    await page.goto("/#/generate");
    await page.getByRole("switch").setChecked(streaming);
    const run = await generate(page, someText());
    const writing = await model.next();
    writing.write(BEGIN);
    if (streaming) await expect(run.draft).toContainText("A lighthouse");
    await run.button(/^Cancel/).click();
    await writing.left;
    await expect(run.badge).toHaveText("Cancelled");
    await expect(run.button(/^Cancel/)).toHaveCount(0);
    if (streaming) await expect(run.draft).toContainText("A lighthouse"); // what there was of it stays
  });
}

test("38: seven runs at once, each with its own draft, and the page still works", async ({ page, model }) => {
  await page.goto("/#/generate");
  const runs: { run: RunCard; name: string; writing: Awaited<ReturnType<Model["next"]>> }[] = [];
  for (let number = 0; number < 7; number += 1) {
    const text = someText();
    const run = await generate(page, text);
    const writing = await model.next();
    expect(writing.asked).toContain(text.name);
    runs.push({ run, name: text.name, writing });
  }
  for (const { run, name, writing } of runs) {
    writing.write(`## Key points\n\n- ${name} is the one.\n`);
    await expect(run.draft).toContainText(`${name} is the one.`);
  }
  // There is a connection left for other things.
  await page.goto("/#/library");
  await expect(page.getByRole("searchbox", { name: "Search the documents" })).toBeVisible();
  await page.goto("/#/generate");
  for (const { run, name, writing } of runs.reverse()) {
    await expect(run.draft).toContainText(`${name} is the one.`);
    writing.end(`\n## In short\n\n${END}`);
    await expect(run.badge).toHaveText("Completed");
    await expect(run.output).toContainText(`${name} is the one.`);
  }
});

test("a reload and another device find the run where it is, from its beginning", async ({ page, browser, model }) => {
  const text = someText();
  await page.goto("/#/generate");
  const run = await generate(page, text);
  const writing = await model.next();
  writing.write(BEGIN);
  await run.hasDraft(BEGIN);

  await page.reload();
  await run.hasDraft(BEGIN);
  const device = await browser.newContext();
  const other = await device.newPage();
  await other.goto(page.url());
  const there = new RunCard(other, text.name);
  await there.hasDraft(BEGIN);
  expect(await there.stages()).toContainEqual(expect.stringContaining("Prompt (done)"));

  writing.end(MIDDLE + END);
  for (const card of [run, there]) {
    await expect(card.badge).toHaveText("Completed");
    await expect(card.output.getByRole("heading")).toHaveText(["Key points", "In short"]);
  }
  await device.close();
});

test("a network that is cut and mended loses nothing of the draft and doubles nothing", async ({ page, model }) => {
  const wire = await Wire.between(page, baseURL);
  await page.goto(`${wire.url}/#/generate`);
  const run = await generate(page, someText());
  const writing = await model.next();
  writing.write(BEGIN);
  await expect(run.draft).toContainText("A lighthouse");

  wire.cut();
  await expect(run.badge).toHaveText("Reconnecting");
  writing.write(MIDDLE);
  wire.mend();
  await run.hasDraft(BEGIN + MIDDLE);

  wire.cut();
  writing.end(END);
  wire.mend();
  await expect(run.badge).toHaveText("Completed");
  await run.root.getByText("The draft as text").click();
  await run.hasDraft(DRAFT);
  await wire.stop();
});

test("the built-in generator works on the text itself, and its run outlives the server", async ({ page, model }) => {
  void model; // is there, and is not asked
  const text = someText();
  await page.goto("/#/generate");
  await page.getByLabel("Prompt").selectOption("Briefing");
  const run = await generate(page, { ...text, text: `${text.text}\n\n[More](https://example.com/lighthouses)` }, "built in");
  await expect(run.badge).toHaveText("Completed");
  await expect(run.output.getByRole("heading")).toHaveText(["In short", "Details", "Links"]);
  await expect(run.output.getByRole("listitem").getByRole("link")).toHaveAttribute("href", "https://example.com/lighthouses");
  await expect(run.output).toContainText("It sends light out to sea, for ships to see.");

  await restartBackend("term");
  await page.reload();
  await expect(run.badge).toHaveText("Completed");
  await run.button(text.name).click();
  await expect(run.output.getByRole("heading")).toHaveText(["In short", "Details", "Links"]);
  await run.button("Use this text again").click();
  await expect(page.getByLabel("Text")).toHaveValue(new RegExp(text.name));
  await expect(page.getByLabel("Prompt")).toHaveValue("briefing");
});

test("what cannot be started says why, and can be tried again", async ({ page, model }) => {
  await page.goto("/#/generate");
  await page.getByRole("button", { name: "Generate", exact: true }).click();
  await expect(page.getByRole("alert").filter({ hasText: "There is no text yet. Paste one." })).toBeVisible();

  await page.route("**/api/run/stream", (route) => route.fulfill({ status: 429, json: { error: "8 jobs are running: wait for one to end" } }), { times: 1 });
  const run = await generate(page, someText());
  await expect(run.root.getByRole("alert")).toContainText("8 jobs are running");
  await run.button("Try again").click();
  (await model.next()).end(DRAFT);
  await expect(run.badge).toHaveText("Completed");
});

test("DEBUG_STREAMING shows every event in the console", async ({ page, model }) => {
  const said: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "info" && message.text().startsWith("[generation]")) said.push(message.text().split(" ")[1] ?? "");
  });
  await page.goto("/#/generate");
  const quiet = await generate(page, someText());
  (await model.next()).end(DRAFT);
  await expect(quiet.badge).toHaveText("Completed");
  expect(said).toEqual([]);

  await page.evaluate(() => localStorage.setItem("DEBUG_STREAMING", "1"));
  const run = await generate(page, someText());
  (await model.next()).end(DRAFT);
  await expect(run.badge).toHaveText("Completed");
  // A console message may reach the test later than what the page shows.
  await expect.poll(() => new Set(said)).toEqual(new Set(["progress", "token", "draft", "complete", "done"]));
});

for (const colorScheme of ["light", "dark"] as const) {
  test(`65: what a model writes is inert, and fits a phone (${colorScheme})`, async ({ browser, model }) => {
    const context = await browser.newContext({ viewport: { width: 390, height: 800 }, hasTouch: true, isMobile: true, colorScheme });
    const page = await context.newPage();
    await page.goto("/#/generate");
    const run = await generate(page, someText());
    const evil = `- <img src=x onerror="document.title='hacked'"> ${"unbroken".repeat(40)} [x](javascript:document.title='hacked')\n- \`${"code".repeat(60)}\`\n`;
    (await model.next()).end(`## Key points\n\n${evil}\n## In short\n\n${END}`);
    await expect(run.badge).toHaveText("Completed");
    await expect(run.output).toContainText("<img src=x");
    await expect(run.output.locator("img, [href^='javascript']")).toHaveCount(0);
    const { scroll, client } = await page.evaluate(() => ({
      scroll: document.documentElement.scrollWidth,
      client: document.documentElement.clientWidth,
    }));
    expect(client).toBe(390);
    expect(scroll).toBeLessThanOrEqual(client);
    expect(await page.title()).not.toContain("hacked");
    await context.close();
  });
}
