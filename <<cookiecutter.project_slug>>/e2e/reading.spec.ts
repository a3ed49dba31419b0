/** A reader of a busy log: where they scroll to, whatever they scroll with, nothing takes them away from. */

import { chromium, expect, test } from "@playwright/test";
import type { Locator, Page } from "@playwright/test";
import { baseURL, launchOptions } from "./browser";

/** Runs in the page: two jobs of its own for useJob on the page of the components, `log` and `draft`, with fifty lines a second. */
function serveBusyJobs(): void {
  const ask = window.fetch.bind(window);
  const encoder = new TextEncoder();
  const stream = (isLog: boolean): Response => {
    let count = 0;
    const body = new ReadableStream({
      start: (to) => {
        const write = (): void => {
          const line = `line ${(count += 1)}`;
          const event = isLog ? { event: "log", t: count, message: line } : { event: "token", t: count, token: `${line}\n` };
          to.enqueue(encoder.encode(`id: ${count}\ndata: ${JSON.stringify(event)}\n\n`));
        };
        for (let index = 0; index < 200; index += 1) write();
        setInterval(write, 20);
      },
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  };
  window.fetch = async (input, init) => {
    const url = input instanceof Request ? input.url : String(input);
    const [, id] = /(log|draft)\/stream$/.exec(url) ?? [];
    if (id !== undefined) return stream(id === "log");
    if (!/api\/jobs\b/.test(url)) return ask(input, init);
    return Response.json({ jobs: ["log", "draft"].map((job_id) => ({ job_id, kind: "busy", source: job_id, status: "running", created_at: "2030-01-01T00:00:00Z" })) });
  };
}

interface How {
  readonly rtl?: boolean;
  readonly args?: readonly string[];
}

/** The page in a browser of its own, since Playwright's hides all scroll bars. */
async function launch(act: (page: Page) => Promise<void>, { rtl = false, args = [] }: How = {}): Promise<void> {
  const browser = await chromium.launch({ ...launchOptions, ignoreDefaultArgs: ["--hide-scrollbars"], args: [...(launchOptions.args ?? []), ...args] });
  try {
    await act(await browser.newPage({ viewport: { width: 900, height: 900 }, reducedMotion: "reduce", deviceScaleFactor: rtl ? 1.1 : 1 }));
  } finally {
    await browser.close();
  }
}

/** `look` is given a log, then a draft. */
const open = (look: (page: Page, panel: Locator) => Promise<void>, how: How = {}): Promise<void> =>
  launch(async (page) => {
    await page.addInitScript(serveBusyJobs);
    await page.goto(`${baseURL}/#/components`);
    if (how.rtl) await page.evaluate(() => Object.assign(document.documentElement, { dir: "rtl", style: "zoom: 1.1" }));
    const job = page.getByRole("region", { name: "useJob" });
    for (const id of ["log", "draft"]) {
      await job.getByLabel("Job", { exact: true }).selectOption(id);
      await test.step(id, () => look(page, id === "log" ? job.getByRole("log") : job.getByRole("region", { name: "Draft" })));
    }
  }, how);

const top = (panel: Locator): Promise<number> => panel.evaluate((element) => element.scrollTop);

/** Waits until more lines have come. Gives by how much it was scrolled meanwhile, and how far it is from its end. */
async function grown(panel: Locator, more = 5): Promise<{ moved: number; rest: number }> {
  return panel.evaluate(async (element, count) => {
    const lines = (): number => (element.textContent ?? "").split("line").length;
    const { scrollTop } = element;
    const wanted = lines() + count;
    while (lines() < wanted) await new Promise(requestAnimationFrame);
    return { moved: Math.abs(element.scrollTop - scrollTop), rest: element.scrollHeight - element.scrollTop - element.clientHeight };
  }, more);
}

const comesTo = (panel: Locator, what: { follows: boolean; stays: boolean }): Promise<void> =>
  expect
    .poll(async () => {
      const { moved, rest } = await grown(panel);
      return { follows: moved > 50 && rest <= 4, stays: moved < 1 && rest > 100 };
    }, { intervals: [0] })
    .toEqual(what);
/** It moves with its end. */
const follows = (panel: Locator): Promise<void> => comesTo(panel, { follows: true, stays: false });
/** It comes to rest above its end, wherever that is, and stays there while lines come. */
const staysAway = (panel: Locator): Promise<void> => comesTo(panel, { follows: false, stays: true });

/** Not by a key: the browser would scroll for some time yet, whatever is done next. The button changes with each line. */
const comeBack = (panel: Locator): Promise<void> => panel.getByRole("button", { name: "↓" }).click({ force: true });

async function boxOf(panel: Locator): Promise<{ left: number; right: number; top: number; bottom: number }> {
  const { x, y, width, height } = (await panel.boundingBox()) ?? { x: 0, y: 0, width: 0, height: 0 };
  return { left: x, right: x + width, top: y, bottom: y + height };
}

/** What a reader goes up with. The button that it may leave down is released later. */
const gestures: Record<string, (page: Page, panel: Locator) => Promise<unknown>> = {
  "the wheel": async (page, panel) => {
    await panel.hover();
    await page.mouse.wheel(0, -300);
  },
  "a finger": async (page, panel) => {
    const { left, top: above } = await boxOf(panel);
    const session = await page.context().newCDPSession(page);
    const touch = (type: "touchStart" | "touchMove" | "touchEnd", ...at: number[]): Promise<unknown> =>
      session.send("Input.dispatchTouchEvent", { type, touchPoints: at.map((y) => ({ x: left + 90, y: above + y })) });
    await touch("touchStart", 20);
    for (let y = 40; y <= 340; y += 20) await touch("touchMove", y);
    await touch("touchEnd");
  },
  "a key": (_, panel) => panel.press("PageUp"),
  "its scroll bar": async (page, panel) => {
    const { left, right, bottom } = await boxOf(panel);
    const bar = (await page.evaluate(() => document.dir)) === "rtl" ? left + 6 : right - 6;
    await page.mouse.move(bar, bottom - 22);
    await page.mouse.down();
    const from = await top(panel);
    for (let y = bottom - 24; y >= bottom - 80; y -= 4) {
      await page.mouse.move(bar, y);
      await grown(panel, 1); // as with a person, lines come between one move and the next
    }
    await expect.poll(() => top(panel)).toBeLessThan(from - 1000);
    expect((await grown(panel, 50)).moved).toBe(0);
  },
  "what is no input: a screen reader's cursor, the browser's find": (_, panel) => panel.evaluate((element) => element.scrollBy(0, -400)),
};

for (const [name, how] of [
  ["as it is", {}],
  ["right to left, with the scroll bar at the left, at 110 %", { rtl: true }],
  ["with scroll bars that lie over the text", { args: ["--enable-features=OverlayScrollbar"] }],
] as const) {
  test(`the reader wins: ${name}`, { tag: name === "as it is" ? [] : "@long" }, async () => {
    await open(async (page, panel) => {
      for (const [by, gesture] of Object.entries(gestures)) {
        await test.step(by, async () => {
          await follows(panel);
          await gesture(page, panel);
          await staysAway(panel);
          if (by === "its scroll bar") await page.mouse.up().then(() => staysAway(panel));
          await comeBack(panel);
        });
      }
      await panel.evaluate((element) => element.scrollBy(0, -400));
      await staysAway(panel);
      await panel.press("End");
      await follows(panel);
    }, how);
  });
}

test("a selection goes up and away with nothing sliding away under it, and one at the end pauses it until it is cleared", async () => {
  await open(async (page, panel) => {
    const selected = (): Promise<number> => page.evaluate(() => String(getSelection()).split("line").length);
    await follows(panel);
    const { left, top: above, bottom } = await boxOf(panel);
    await page.mouse.move(left + 90, bottom - 30);
    await page.mouse.down();
    await page.mouse.move(left + 60, above + 40, { steps: 5 });
    expect((await grown(panel)).moved).toBe(0);
    const held = await top(panel);
    await page.mouse.move(left + 60, above - 20, { steps: 5 });
    await expect.poll(() => top(panel)).toBeLessThan(held - 300); // the browser scrolls as long as it is above
    await page.mouse.up();
    const lines = await selected();
    expect(lines).toBeGreaterThan(15);
    await staysAway(panel);
    expect(await selected()).toBe(lines);

    await page.evaluate(() => getSelection()?.removeAllRanges());
    await comeBack(panel);
    await follows(panel);
    await page.mouse.dblclick(left + 90, bottom - 30);
    expect((await grown(panel)).moved).toBe(0);
    await page.mouse.click(left + 300, bottom - 30);
    await follows(panel);
  });
});

test("a page stands where the one before stood, be it longer than the window or not, where scroll bars take room", async () => {
  await launch(async (page) => {
    const look = () =>
      page.evaluate(() => {
        const { scrollHeight, clientHeight, clientWidth } = document.documentElement;
        const { left, right } = document.querySelector("header")?.getBoundingClientRect() ?? {};
        return { isLong: scrollHeight > clientHeight, barWidth: innerWidth - clientWidth, left, right };
      });
    await page.goto(`${baseURL}/#/components`);
    await expect.poll(async () => (await look()).isLong).toBe(true);
    const long = await look();
    expect(long.barWidth).toBeGreaterThan(0);
    expect(long.right).toBeGreaterThan(0);
    await page.goto(`${baseURL}/#/nowhere`);
    await expect(page.getByRole("link", { name: "Back to the start" })).toBeVisible();
    const { isLong, left, right } = await look();
    expect({ isLong, left, right }).toEqual({ isLong: false, left: long.left, right: long.right });
  });
});
