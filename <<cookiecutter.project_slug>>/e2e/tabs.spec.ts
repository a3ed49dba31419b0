/** Many tabs of one browser. Over HTTP/1.1 it opens six connections to a server, for all of them together. */

import { Card, expect, fetchUrl, prose, test } from "./fixtures";
import type { Page } from "./fixtures";

/** The streams that are held now, over all tabs. */
async function places(page: Page): Promise<number> {
  return page.evaluate(async () => {
    const { held = [] } = await navigator.locks.query();
    return held.filter(({ name }) => /^streamator .* \d$/.test(name ?? "")).length;
  });
}

/** Every page of a test is in view: this is what a tab is told when another one is looked at. */
async function show(page: Page, state: "visible" | "hidden"): Promise<void> {
  await page.evaluate((visibility) => {
    Object.defineProperty(document, "visibilityState", { value: visibility, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  }, state);
}

test("a place that is free is taken by a tab that waits, and one in view takes that of a hidden one", async ({ page, context, source }) => {
  test.setTimeout(60_000);
  const document = source.serve("places.txt");
  await page.goto("/");
  await fetchUrl(page, document.url);
  await expect(Card.named(page, document.name).badge).toHaveText("Live");
  const own = `/#/jobs/${await Card.named(page, document.name).id()}`;
  await page.goto("about:blank"); // gives its places back

  const tabs: Page[] = [];
  const streams = (index: number): Promise<void> => expect(Card.only(tabs[index] as Page).badge).toHaveText("Live");
  const polls = (index: number): Promise<void> => expect(Card.only(tabs[index] as Page).badge).toHaveText("Polling");
  for (let index = 0; index < 6; index += 1) {
    const tab = await context.newPage();
    await tab.goto(own);
    tabs.push(tab);
    await (index < 4 ? streams(index) : polls(index));
  }

  await tabs[0]?.close();
  await streams(4);
  await polls(5);
  await show(tabs[1] as Page, "hidden");
  await streams(5);
  await polls(1);
  await show(tabs[1] as Page, "visible");
  await show(tabs[2] as Page, "hidden");
  await streams(1);
  await polls(2);
  expect(await places(tabs[3] as Page)).toBe(4);

  await document.write(prose(1_100_000));
  await document.end(prose(1000));
  for (const tab of tabs.slice(1)) {
    await Card.only(tab).ended("Completed");
    await Card.only(tab).expectWhole();
  }
  for (const tab of tabs.slice(1)) await tab.close();
});
