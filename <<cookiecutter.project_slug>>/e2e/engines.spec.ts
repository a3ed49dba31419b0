/** A smoke test of the page in each browser engine, by `make e2e-engines`: people sign in, on a store that outlives the backend. */

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { APIRequestContext } from "@playwright/test";
import { baseURL, engine } from "./browser";
import { firefox, playwright, Tab, webDriver, webkit } from "./driver";
import type { Point } from "./driver";
import { expect, prose, restartBackend, storedLog, testOpenly, untilAppended } from "./fixtures";
import { authorise, password, tokenOf } from "./people";

const MB = 1_000_000;

const test = testOpenly.extend<{ tab: Tab }>({
  tab:
    engine === "chromium"
      ? async ({ page }, provide) => provide(new Tab(playwright(page)))
      : // oxlint-disable-next-line no-empty-pattern -- Playwright reads a fixture's needs from this very pattern
        async ({}, provide) => {
          const session = await (engine === "firefox" ? firefox() : webkit());
          await provide(new Tab(webDriver(session)));
          await session.stop();
        },
  request: async ({ request }, provide) => {
    authorise(request, "ada", await tokenOf("ada"));
    await provide(request);
  },
});

test.describe.configure({ timeout: 90_000 });

test("people sign in, stay so over a reload, and sign out", async ({ tab }) => {
  await signIn(tab);
  await tab.driver.reload();
  await tab.sees(".user-menu__name", "ada");
  await tab.click('[aria-label="Sign out"]');
  await tab.sees("form.sign-in");
  await tab.driver.reload();
  await tab.sees("form.sign-in");
});

for (const [delivery, badge] of [["Stream", "Live"], ["Socket", "Live"], ["Poll", "Polling"]] as const) {
  test(`lines come as they are logged, and a reload in mid-job costs none (${delivery})`, async ({ tab, request, source }) => {
    const served = source.serve(`engine-${delivery}.txt`);
    await signIn(tab);
    await tab.click(".switch label", delivery);
    await tab.type('.address [type="url"]', `${served.url}\n`);
    const id = await open(tab, served.name);
    await tab.sees(".badge", badge);
    await served.write(prose(1.1 * MB));
    await tab.sees(".streamator-log-text", "Received 1");
    expect((await storedLog(request, id)).closed).toBe(false);

    await tab.driver.reload();
    await tab.sees(".switch label:has(:checked)", delivery);
    await tab.sees(".badge", badge);
    await expectWhole(tab, request, id);
    await served.write(prose(1.1 * MB));
    await tab.sees(".streamator-log-text", "Received 2");
    await served.end();
    await tab.sees(".badge", "Completed");
    await expectWhole(tab, request, id);
  });
}

test("a job in view when the backend is killed and comes back, and a file that is taken in then", async ({ tab, request, source }) => {
  const served = source.serve("engine-restart.txt");
  await signIn(tab);
  await tab.type('.address [type="url"]', `${served.url}\n`);
  const id = await open(tab, served.name);
  await served.write(prose(1.1 * MB));
  await tab.sees(".streamator-log-text", "Received 1");
  const before = await lines(tab);
  const kept = async (): Promise<string[]> => (await lines(tab)).slice(0, before.length);
  await untilAppended(request, id);

  await restartBackend("kill", async () => {
    await tab.sees('[role="alert"]', "The backend does not answer.");
    expect(await kept()).toEqual(before);
  });
  await served.end();
  await tab.sees(".badge", "Completed");
  await expect.poll(async () => (await tab.texts('[role="alert"]')).join("")).toBe("");
  await expect.poll(kept).toEqual(before);
  await tab.driver.reload();
  await expect.poll(kept).toEqual(before);

  await tab.click(".job-page__back");
  const folder = await mkdtemp(join(tmpdir(), "engines-"));
  const name = `${crypto.randomUUID()}.txt`;
  await writeFile(join(folder, name), prose(900));
  await tab.sees(".drop");
  await tab.driver.choose('[type="file"]', join(folder, name));
  const file = await open(tab, name);
  await tab.sees(".badge", "Completed");
  await expectWhole(tab, request, file);
  await rm(folder, { recursive: true });
});

test("what is found is marked, and gone to, in a log of over a thousand lines that wrap", async ({ tab }) => {
  await openLong(tab, wrapping(1, 1_200, { 40: "a needle", 1_100: "another needle" }));
  await tab.type(".streamator-log-find input", "needle");
  await tab.sees(".streamator-log-find output", "2");
  for (const found of ["a needle", "another needle"]) {
    await tab.driver.keys("\n");
    await expect.poll(() => isInView(tab, found)).toBe(true);
    const marked = await tab.evaluate(() => [...CSS.highlights.values()].flatMap((each) => [...each].map(String)), null);
    expect(new Set(marked)).toEqual(new Set(["needle"]));
  }
});

test("the wheel lets go of the end, and takes it up again there", async ({ tab }) => {
  await openLong(tab, wrapping(1, 1_200));
  await expect.poll(() => isInView(tab, "line 1200:")).toBe(true);

  const panel = await middleOfPanel(tab);
  await tab.driver.wheel(panel, 0, -300);
  await expect.poll(() => isInView(tab, "line 1200:")).toBe(false);
  const row = await firstRowInView(tab);
  const there = await atRest(tab, row.text);
  await log(tab, ["a new line"]);
  await tab.sees(".streamator-log-jump button", "1 new line");
  expect(Math.abs((await atRest(tab, row.text)) - there)).toBeLessThanOrEqual(1);

  await expect
    .poll(async () => {
      await tab.driver.wheel(panel, 0, 300);
      return isInView(tab, "a new line");
    })
    .toBe(true);
  await expect.poll(() => tab.texts(".streamator-log-jump button")).toEqual([]);
  await log(tab, wrapping(1_202, 1_300));
  await expect.poll(() => isInView(tab, "line 1300:")).toBe(true);
});

// As many as are all rows, and more.
for (const last of [900, 1_500]) {
  test(`what is read upwards moves by what the wheel is turned, and by nothing else (${last} lines)`, async ({ tab }) => {
    await openLong(tab, wrapping(1, last));
    await expect.poll(() => isInView(tab, `line ${last}:`)).toBe(true);
    const panel = await middleOfPanel(tab);
    const moves: { line: number; by: number }[] = [];
    for (let line = last; line > last - 350; ) {
      const { text, top } = await firstRowInView(tab);
      line = Number.parseInt(text.slice("line ".length), 10);
      await tab.driver.wheel(panel, 0, -300);
      moves.push({ line, by: (await atRest(tab, text, top)) - top });
    }
    const usual = moves.map(({ by }) => by).toSorted((a, b) => a - b)[Math.floor(moves.length / 2)] ?? 0;
    expect(usual).toBeGreaterThan(0);
    expect(moves.filter(({ by }) => Math.abs(by - usual) > 2), `turns that moved it by other than ${usual} px`).toEqual([]);
  });
}

test("without wrapping, the end of the longest line can be scrolled to", async ({ tab }) => {
  const end = "the very end";
  await openLong(tab, wrapping(1, 1_200, { 700: `${"0123456789".repeat(50)} ${end}` }));
  await tab.click(".streamator-log-actions button", "Wrap");
  await tab.sees(".streamator-log--nowrap");
  await tab.type(".streamator-log-find input", end);
  await tab.driver.keys("\n");
  await tab.sees(".streamator-log-entry", end);
  const panel = await middleOfPanel(tab);
  await expect
    .poll(async () => {
      await tab.driver.wheel(panel, 2_000, 0);
      return isInView(tab, end);
    })
    .toBe(true);
});

test("a page does not move sideways when it gets long; numbers of lines are not selected; a box to choose from is drawn by the page", async ({ tab }) => {
  await openLong(tab, ["a line"]);
  const seen = await tab.evaluate(() => {
    const left = (): number | undefined => document.querySelector("article")?.getBoundingClientRect().left;
    const short = left();
    document.body.append(Object.assign(document.createElement("div"), { style: "height: 10000px" }));
    const { webkitUserSelect } = getComputedStyle(document.querySelector(".streamator-log-line") as Element);
    const { appearance } = getComputedStyle(document.body.appendChild(document.createElement("select")));
    return { short, long: left(), webkitUserSelect, appearance };
  }, null);
  expect(seen).toEqual({ short: seen.long, long: expect.any(Number), webkitUserSelect: "none", appearance: "none" });
});

async function signIn(tab: Tab): Promise<void> {
  await tab.driver.goto(baseURL);
  await tab.type('[name="username"]', "ada");
  await tab.type('[name="password"]', `${password}\n`);
  await tab.sees(".user-menu__name", "ada");
}

/** Goes to the job of this name by its card; gives its id. */
async function open(tab: Tab, name: string): Promise<string> {
  await tab.click(`[aria-label="Open ${name} on a page of its own"]`);
  await tab.sees("h1", name);
  const id = await tab.evaluate(() => document.querySelector("article")?.dataset.job, null);
  if (!id) throw new Error("the card has no data-job");
  return id;
}

/** The lines of the only log. */
function lines(tab: Tab): Promise<string[]> {
  return tab.texts(".streamator-log-entry .streamator-log-text");
}

/** The page comes to show what the server has: no line more, none less, none twice. */
async function expectWhole(tab: Tab, request: APIRequestContext, id: string): Promise<void> {
  await expect(async () => {
    const stored = await storedLog(request, id);
    expect(stored.lines.length).toBeGreaterThan(0);
    expect(await lines(tab)).toEqual(stored.lines.map(({ text }) => text));
  }).toPass({ timeout: 20_000 });
}

const LONG = { job_id: "long", kind: "ingest", source: "long.txt", status: "running", created_at: "2026-01-01T00:00:00Z" };
const UNSAID = { finished_at: null, document_id: null, error: null, partial: null, step: null, percent: null, age_seconds: 0 };

/** Signs in and goes to a job that only this tab has, since no real one logs thousands of lines: they are what `log` says. */
async function openLong(tab: Tab, messages: readonly string[]): Promise<void> {
  await signIn(tab);
  await tab.evaluate((job) => {
    const { fetch } = window;
    const encoder = new TextEncoder();
    let id = 0;
    const stream = new ReadableStream({
      start: (controller) => {
        const line = (message: string): string => `id: ${(id += 1)}\ndata: ${JSON.stringify({ event: "log", message, level: "info", t: id })}\n\n`;
        Object.assign(window, { log: (all: string[]) => controller.enqueue(encoder.encode(all.map(line).join(""))) });
      },
    });
    window.fetch = async (asked, init) => {
      const { pathname } = new URL(String(asked), document.baseURI);
      if (pathname === `/api/jobs/${job.job_id}`) return Response.json(job);
      if (pathname === `/api/log/${job.job_id}/stream`) return new Response(stream, { headers: { "content-type": "text/event-stream" } });
      return fetch(asked, init);
    };
    location.hash = `/jobs/${job.job_id}`;
  }, { ...LONG, ...UNSAID });
  await log(tab, messages);
  await tab.sees(".streamator-log-text", messages.at(-1));
}

function log(tab: Tab, messages: readonly string[]): Promise<void> {
  return tab.evaluate((all) => (window as unknown as { log: (all: readonly string[]) => void }).log(all), messages);
}

/** Lines that are numbered and wrap, into one to five rows; some with a text of their own at their end. */
function wrapping(first: number, last: number, own: Readonly<Record<number, string>> = {}): string[] {
  return Array.from({ length: last - first + 1 }, (_, index) => {
    const number = first + index;
    return `line ${number}: ${"some more words ".repeat(4 + ((number * 7) % 24))}${own[number] ?? ""}`;
  });
}

function middleOfPanel(tab: Tab): Promise<Point> {
  return tab.evaluate(() => {
    const panel = document.querySelector(".streamator-log") as Element;
    panel.scrollIntoView({ block: "nearest", behavior: "instant" });
    const { x, y, width, height } = panel.getBoundingClientRect();
    return { x: Math.round(x + width / 2), y: Math.round(y + height / 2) };
  }, null);
}

/** Whether the end of a row's text is in view, of the one that holds `text`. */
function isInView(tab: Tab, text: string): Promise<boolean> {
  return tab.evaluate((wanted) => {
    const panel = document.querySelector(".streamator-log")?.getBoundingClientRect();
    const row = [...document.querySelectorAll(".streamator-log-text")].find((each) => each.textContent?.includes(wanted));
    if (row === undefined || panel === undefined) return false;
    const range = document.createRange();
    range.selectNodeContents(row);
    const end = [...range.getClientRects()].at(-1) ?? panel;
    return end.right > panel.left && end.right <= panel.right + 1 && end.bottom > panel.top && end.bottom <= panel.bottom;
  }, text);
}

/** The row at the upper edge of the panel, and how many pixels it is below that. */
function firstRowInView(tab: Tab): Promise<{ text: string; top: number }> {
  return tab.evaluate(() => {
    const { x, top, width } = (document.querySelector(".streamator-log") as Element).getBoundingClientRect();
    const row = document.elementFromPoint(x + width / 2, top + 10)?.closest(".streamator-log-entry")?.querySelector(".streamator-log-text");
    if (!row) throw new Error("there is no row at the upper edge");
    return { text: row.textContent, top: row.getBoundingClientRect().top - top };
  }, null);
}

/** How many pixels a row is below the panel's upper edge, once that is not `before` and stays the same for some frames. */
function atRest(tab: Tab, text: string, before: number | null = null): Promise<number> {
  return tab.evaluate(async (given) => {
    let last = Number.NaN;
    for (let still = 0; still < 5; ) {
      await new Promise(requestAnimationFrame);
      const { top = 0 } = document.querySelector(".streamator-log")?.getBoundingClientRect() ?? {};
      const row = [...document.querySelectorAll(".streamator-log-text")].find(({ textContent }) => textContent === given.text);
      if (row === undefined) throw new Error(`there is no row “${given.text}” any more`);
      const now = row.getBoundingClientRect().top - top;
      still = now === last && now !== given.before ? still + 1 : 0;
      last = now;
    }
    return last;
  }, { text, before });
}
