/** A smoke test of the page in each browser engine, by `make e2e-engines`: people sign in, on a store that outlives the backend. */

import { randomUUID } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { APIRequestContext } from "@playwright/test";
import { baseURL, webDriver } from "./browser";
import { Reader, byPlaywright } from "./driver";
import type { Driver, Point } from "./driver";
import { expect, prose, restartBackend, storedLog, testOpenly, untilAppended } from "./fixtures";
import { LongLog } from "./longLog";
import { authorise, password, tokenOf } from "./people";
import { WebDriver } from "./webdriver";

const MB = 1_000_000;

const program = webDriver;
const withDriver =
  program === null
    ? testOpenly.extend<{ driver: Driver }>({ driver: async ({ page }, provide) => provide(byPlaywright(page)) })
    : testOpenly.extend<{ driver: Driver }>({
        // oxlint-disable-next-line no-empty-pattern -- Playwright reads a fixture's needs from this very pattern
        driver: async ({}, provide, info) => {
          const driver = await WebDriver.start(program);
          await provide(driver);
          if (info.status !== info.expectedStatus) await info.attach("screenshot", { body: await driver.screenshot(), contentType: "image/png" });
          await driver.stop();
        },
      });

const test = withDriver.extend<{ reader: Reader; long: LongLog }>({
  reader: async ({ driver }, provide) => provide(new Reader(driver)),
  request: async ({ request }, provide) => {
    authorise(request, "ada", await tokenOf("ada"));
    await provide(request);
  },
  // oxlint-disable-next-line no-empty-pattern -- as above
  long: async ({}, provide) => {
    const long = await LongLog.before(baseURL);
    await provide(long);
    await long.stop();
  },
});

test.describe.configure({ timeout: 90_000 });

test("people sign in, stay so over a reload, and sign out", async ({ reader }) => {
  await signIn(reader);
  await reader.driver.reload();
  await reader.sees(".user-menu__name", "ada");
  await reader.click('[aria-label="Sign out"]');
  await reader.sees("form.sign-in");
  await reader.driver.reload();
  await reader.sees("form.sign-in");
});

test("a file from the disk is taken in", async ({ reader, request }) => {
  await signIn(reader);
  await expectTakenIn(reader, request);
});

for (const [delivery, badge] of [["Stream", "Live"], ["Socket", "Live"], ["Poll", "Polling"]] as const) {
  test(`lines come as they are logged, and a reload in mid-job costs none (${delivery})`, async ({ reader, request, source }) => {
    const served = source.serve(`engine-${delivery}.txt`);
    await signIn(reader);
    await reader.click(".switch label", delivery);
    await fetchUrl(reader, served.url);
    const id = await open(reader, served.name);
    await reader.sees(".badge", badge);
    await served.write(prose(1.1 * MB));
    await reader.sees(".streamator-log-text", "Received 1");
    expect((await storedLog(request, id)).closed).toBe(false);

    await reader.driver.reload();
    await reader.sees(".switch label:has(:checked)", delivery);
    await reader.sees(".badge", badge);
    await expectWhole(reader, request, id);
    await served.write(prose(1.1 * MB));
    await reader.sees(".streamator-log-text", "Received 2");
    await served.end();
    await reader.sees(".badge", "Completed");
    await expectWhole(reader, request, id);
  });
}

test("a job in view when the backend is killed and comes back", async ({ reader, request, source }) => {
  const served = source.serve("engine-restart.txt");
  await signIn(reader);
  await fetchUrl(reader, served.url);
  const id = await open(reader, served.name);
  await served.write(prose(1.1 * MB));
  await reader.sees(".streamator-log-text", "Received 1");
  const before = await lines(reader);
  await untilAppended(request, id);
  const kept = async (): Promise<string[]> => (await lines(reader)).slice(0, before.length);

  await restartBackend("kill", async () => {
    await reader.sees('[role="alert"]', "The backend does not answer.");
    expect(await kept()).toEqual(before);
  });
  await reader.sees(".badge", "Interrupted");
  await expect.poll(async () => (await reader.texts('[role="alert"]')).join("")).toBe("");
  await expect.poll(kept).toEqual(before);
  await reader.driver.reload();
  await expect.poll(kept).toEqual(before);
  await reader.click(".job-page__back");
  await expectTakenIn(reader, request);
});

test("what is found is marked, and gone to, in a log of over a thousand lines that wrap", async ({ reader, long }) => {
  long.log(...wrapping(1, 1_200, { 40: "a needle", 1_100: "another needle" }));
  await openLong(reader, long);
  await reader.type(".streamator-log-find input", "needle");
  await reader.sees(".streamator-log-find output", "2");
  for (const found of ["a needle", "another needle"]) {
    await reader.driver.type("\n");
    await expect.poll(() => isInView(reader, found)).toBe(true);
    const marked = reader.driver.evaluate(() => [...CSS.highlights.values()].flatMap((each) => [...each].map(String)), null);
    expect(new Set(await marked)).toEqual(new Set(["needle"]));
  }
});

test("the wheel lets go of the end, and takes it up again there", async ({ reader, long }) => {
  long.log(...wrapping(1, 1_200));
  await openLong(reader, long);
  await expect.poll(() => isInView(reader, "line 1200:")).toBe(true);

  const panel = await middleOfPanel(reader);
  await reader.driver.wheel(panel, 0, -300);
  await expect.poll(() => isInView(reader, "line 1200:")).toBe(false);
  const row = await firstRowInView(reader);
  const there = await atRest(reader, row.text);
  long.log("a new line");
  await reader.sees(".streamator-log-jump button", "1 new line");
  expect(Math.abs((await atRest(reader, row.text)) - there)).toBeLessThanOrEqual(1);

  await expect(async () => {
    await reader.driver.wheel(panel, 0, 300);
    expect(await isInView(reader, "a new line")).toBe(true);
  }).toPass({ timeout: 10_000 });
  await expect.poll(() => reader.texts(".streamator-log-jump button")).toEqual([]);
  long.log(...wrapping(1_202, 1_300));
  await expect.poll(() => isInView(reader, "line 1300:")).toBe(true);
});

test("what is read upwards moves by what the wheel is turned, and by nothing else", async ({ reader, long }) => {
  long.log(...wrapping(1, 1_500));
  await openLong(reader, long);
  await expect.poll(() => isInView(reader, "line 1500:")).toBe(true);
  const panel = await middleOfPanel(reader);
  const moves: { line: number; by: number }[] = [];
  for (let line = 1_500; line > 1_000; ) {
    const { text, top } = await firstRowInView(reader);
    line = Number.parseInt(text.slice("line ".length), 10);
    await reader.driver.wheel(panel, 0, -300);
    moves.push({ line, by: (await atRest(reader, text, top)) - top });
  }
  const usual = moves.map(({ by }) => by).toSorted((a, b) => a - b)[Math.floor(moves.length / 2)] ?? 0;
  expect(usual).toBeGreaterThan(0);
  expect(moves.filter(({ by }) => Math.abs(by - usual) > 2), `turns that moved it by other than ${usual} px`).toEqual([]);
});

test("without wrapping, the end of the longest line can be scrolled to", async ({ reader, long }) => {
  const end = "the very end";
  long.log(...wrapping(1, 1_200, { 700: `${"0123456789".repeat(50)} ${end}` }));
  await openLong(reader, long);
  await reader.click(".streamator-log-actions button", "Wrap");
  await reader.sees(".streamator-log--nowrap");
  await reader.type(".streamator-log-find input", end);
  await reader.driver.type("\n");
  await reader.sees(".streamator-log-entry", end);
  const panel = await middleOfPanel(reader);
  await expect(async () => {
    await reader.driver.wheel(panel, 2_000, 0);
    expect(await isInView(reader, end)).toBe(true);
  }).toPass({ timeout: 10_000 });
});

async function signIn(reader: Reader, origin = baseURL): Promise<void> {
  await reader.driver.goto(origin);
  await reader.type('[name="username"]', "ada");
  await reader.type('[name="password"]', `${password}\n`);
  await reader.sees(".user-menu__name", "ada");
}

async function fetchUrl(reader: Reader, url: string): Promise<void> {
  await reader.type('.address [type="url"]', `${url}\n`);
}

/** Goes to the job of this name by its card; gives its id. */
async function open(reader: Reader, name: string): Promise<string> {
  const link = `[aria-label="Open ${name} on a page of its own"]`;
  await reader.click(link);
  await reader.sees("h1", name);
  const id = await reader.driver.evaluate(() => document.querySelector("article")?.getAttribute("data-job"), null);
  if (!id) throw new Error("the card has no data-job");
  return id;
}

/** Takes in a file, from the page with the list of jobs. */
async function expectTakenIn(reader: Reader, request: APIRequestContext): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "engines-"));
  const name = `${randomUUID()}.txt`;
  await writeFile(join(folder, name), prose(900));
  await reader.sees(".drop");
  await reader.driver.choose('[type="file"]', join(folder, name));
  const id = await open(reader, name);
  await reader.sees(".badge", "Completed");
  await expectWhole(reader, request, id);
  await rm(folder, { recursive: true });
}

/** The lines of the only log. */
function lines(reader: Reader): Promise<string[]> {
  return reader.texts(".streamator-log-entry .streamator-log-text");
}

/** The page comes to show what the server has: no line more, none less, none twice. */
async function expectWhole(reader: Reader, request: APIRequestContext, id: string): Promise<void> {
  await expect(async () => {
    const stored = await storedLog(request, id);
    expect(stored.lines.length).toBeGreaterThan(0);
    expect(await lines(reader)).toEqual(stored.lines.map(({ text }) => text));
  }).toPass({ timeout: 10_000 });
}

async function openLong(reader: Reader, long: LongLog): Promise<void> {
  await signIn(reader, long.origin);
  await reader.driver.goto(long.url);
  await reader.sees(".streamator-log-text", "line ");
}

/** Lines that are numbered and wrap, into one to five rows; some with a text of their own at their end. */
function wrapping(first: number, last: number, own: Readonly<Record<number, string>> = {}): string[] {
  return Array.from({ length: last - first + 1 }, (_, index) => {
    const number = first + index;
    return `line ${number}: ${"some more words ".repeat(4 + ((number * 7) % 24))}${own[number] ?? ""}`;
  });
}

function middleOfPanel(reader: Reader): Promise<Point> {
  return reader.driver.evaluate(() => {
    const panel = document.querySelector(".streamator-log");
    if (panel === null) throw new Error("there is no log");
    panel.scrollIntoView({ block: "nearest", behavior: "instant" });
    const { x, y, width, height } = panel.getBoundingClientRect();
    return { x: Math.round(x + width / 2), y: Math.round(y + height / 2) };
  }, null);
}

/** Whether the end of a row's text is in view, of the one that holds `text`. */
function isInView(reader: Reader, text: string): Promise<boolean> {
  return reader.driver.evaluate((wanted) => {
    const panel = document.querySelector(".streamator-log")?.getBoundingClientRect();
    const rows = document.querySelectorAll(".streamator-log-entry .streamator-log-text");
    const row = [...rows].find((each) => each.textContent?.includes(wanted));
    if (row === undefined || panel === undefined) return false;
    const range = document.createRange();
    range.selectNodeContents(row);
    const end = [...range.getClientRects()].at(-1) ?? panel;
    return end.right > panel.left && end.right <= panel.right && end.bottom > panel.top && end.bottom <= panel.bottom;
  }, text);
}

/** A row at the upper edge of the panel, and how many pixels it is below that. */
function firstRowInView(reader: Reader): Promise<{ text: string; top: number }> {
  return reader.driver.evaluate(() => {
    const { top = 0 } = document.querySelector(".streamator-log")?.getBoundingClientRect() ?? {};
    const rows = [...document.querySelectorAll(".streamator-log-entry")];
    const row = rows.find((each) => each.getBoundingClientRect().top >= top);
    if (row === undefined) throw new Error("there is no row in view");
    return { text: row.querySelector(".streamator-log-text")?.textContent ?? "", top: row.getBoundingClientRect().top - top };
  }, null);
}

/** How many pixels a row is below the panel's upper edge, once it stays there for some frames, away from `before`. */
async function atRest(reader: Reader, text: string, before = Number.NaN): Promise<number> {
  let since = { top: Number.NaN, frame: 0 };
  await expect
    .poll(
      async () => {
        const now = await reader.driver.evaluate((wanted) => {
          const counter = globalThis as { framesSeen?: number };
          if (counter.framesSeen === undefined) {
            const count = (): void => {
              counter.framesSeen = (counter.framesSeen ?? 0) + 1;
              requestAnimationFrame(count);
            };
            count();
          }
          const { top = 0 } = document.querySelector(".streamator-log")?.getBoundingClientRect() ?? {};
          const rows = [...document.querySelectorAll(".streamator-log-entry .streamator-log-text")];
          const row = rows.find(({ textContent }) => textContent === wanted);
          return { top: row === undefined ? null : row.getBoundingClientRect().top - top, frame: counter.framesSeen ?? 0 };
        }, text);
        if (now.top === null) throw new Error(`there is no row “${text}” any more`);
        if (now.top !== since.top) since = { top: now.top, frame: now.frame };
        return now.top !== before && now.frame - since.frame >= 5;
      },
      { intervals: [20] },
    )
    .toBe(true);
  return since.top;
}
