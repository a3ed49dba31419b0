/** A reader who selects in a busy log, or in a draft. */

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

/** The page in a browser of its own, since Playwright's hides all scroll bars. `look` is given a log, then a draft. */
async function open(look: (page: Page, panel: Locator) => Promise<void>): Promise<void> {
  const browser = await chromium.launch({ ...launchOptions, ignoreDefaultArgs: ["--hide-scrollbars"] });
  try {
    const page = await browser.newPage({ viewport: { width: 900, height: 900 } });
    await page.addInitScript(serveBusyJobs);
    await page.goto(`${baseURL}/#/components`);
    const job = page.getByRole("region", { name: "useJob" });
    for (const id of ["log", "draft"]) {
      await job.getByLabel("Job", { exact: true }).selectOption(id);
      await test.step(id, () => look(page, id === "log" ? job.getByRole("log") : job.getByRole("region", { name: "Draft" })));
    }
  } finally {
    await browser.close();
  }
}

const top = (panel: Locator): Promise<number> => panel.evaluate((element) => element.scrollTop);

/** Waits until five lines more have come. Gives by how much it was scrolled meanwhile, and how far it is from its end. */
async function grown(panel: Locator): Promise<{ moved: number; rest: number }> {
  return panel.evaluate(async (element) => {
    const { scrollTop, scrollHeight } = element;
    while (element.scrollHeight < scrollHeight + 75) await new Promise(requestAnimationFrame);
    return { moved: Math.abs(element.scrollTop - scrollTop), rest: element.scrollHeight - element.scrollTop - element.clientHeight };
  });
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

async function boxOf(panel: Locator): Promise<{ left: number; top: number; bottom: number }> {
  const { x, y, height } = (await panel.boundingBox()) ?? { x: 0, y: 0, height: 0 };
  return { left: x, top: y, bottom: y + height };
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
    await panel.press("End");
    await follows(panel);
    await page.mouse.dblclick(left + 90, bottom - 30);
    expect((await grown(panel)).moved).toBe(0);
    await page.mouse.click(left + 300, bottom - 30);
    await follows(panel);
  });
});
