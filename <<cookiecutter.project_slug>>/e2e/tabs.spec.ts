/** Many tabs of one browser. Over HTTP/1.1 it opens six connections to a server, for all of them together. */

import type { Locator } from "@playwright/test";
import { Card, expect, fetchUrl, prose, test } from "./fixtures";
import type { Page } from "./fixtures";
import { Model } from "./model";
import type { Served } from "./source";

/** Streaming, or polling for want of a place. */
const LIVE = /^(Live|Polling)$/;

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

test("38: twelve tabs of every page are live, load and get answers; a free place goes to one that waits, and that of a hidden one to one in view", { tag: "@long" }, async ({ page, context, source }) => {
  test.setTimeout(300_000);
  const model = await Model.start();
  const fetchOne = async (): Promise<Served> => {
    const served = source.serve(`${crypto.randomUUID()}.txt`);
    await page.goto("/");
    await fetchUrl(page, served.url);
    await expect(Card.named(page, served.name).badge).toHaveText(LIVE);
    id = await Card.named(page, served.name).id();
    await page.goto("about:blank"); // gives its places back
    return served;
  };
  // One that goes silent fails, as does one that takes a minute.
  let id = "";
  let document = await fetchOne();
  const dripping = setInterval(() => void document.write(prose(100)), 1_000);
  const fetchAnother = async (): Promise<void> => {
    await document.end(prose(1000));
    document = await fetchOne();
  };
  const text = `Harbour ${crypto.randomUUID()}`;
  const run = (tab: Page): Locator => tab.getByRole("article", { name: text }).locator(".badge");
  await page.goto("/#/generate");
  await page.getByLabel("Text").fill(`${text} is deep. ${"Ships come in with the tide and leave with it. ".repeat(20)}`);
  await page.getByLabel("Written by").selectOption("openai");
  await page.getByRole("button", { name: "Generate", exact: true }).click();
  const writing = await model.next();
  await expect(run(page)).toHaveText("Live");
  await page.goto("about:blank"); // gives its places back

  const tabs = await Promise.all(Array.from({ length: 12 }, () => context.newPage()));
  const [first, second, third, ...others] = tabs as [Page, Page, Page, ...Page[]];
  const last = others.at(-1) as Page;
  const job = (tab: Page): Locator => tab.getByRole("region", { name: "useJob" });
  const pages: Record<string, (tab: Page) => Locator> = {
    "/#/generate": run,
    "/": (tab) => Card.named(tab, document.name).badge,
    "/#/agents": (tab) => tab.getByRole("region", { name: "At work" }).locator(".badge"),
    "/#/dashboard": (tab) => tab.locator(".dashboard-head .badge"),
    "/#/components": (tab) => job(tab).locator(".streamator-log-connection"),
  };
  for (const [path, badge] of Object.entries(pages)) {
    await test.step(path, async () => {
      if (path === "/" || path.endsWith("components")) await fetchAnother();
      const isLive = async (tab: Page): Promise<void> => {
        if (path.endsWith("components")) await job(tab).getByLabel("Job", { exact: true }).selectOption(id);
        await expect(badge(tab)).toHaveText(LIVE);
        expect(await tab.evaluate(async () => (await fetch("api/config", { cache: "no-store" })).status)).toBe(200);
      };
      // One after another, as people open them: what a page loads goes over the two connections that no stream has.
      for (const tab of tabs) {
        await tab.goto(path);
        await isLive(tab);
      }
      await last.reload();
      await isLive(last);
      expect(await places(first)).toBe(4);
      if (badge !== run) return;
      writing.end("## Key points\n\n- A harbour is deep.\n- Ships come in with the tide.\n\n## In short\n\nShips come in with the tide and leave with it, since a harbour is deep.\n");
      for (const tab of tabs) await expect(run(tab)).toHaveText("Completed");
    });
  }

  // Left, they give them back.
  await Promise.all(tabs.map((tab) => tab.goto("/#/sign-in")));
  await expect.poll(() => places(first)).toBe(0);

  const shows = async (tab: Page | undefined, badge: string): Promise<void> => {
    await document.write(prose(1000));
    await expect(Card.only(tab as Page).badge).toHaveText(badge);
  };
  await fetchAnother();
  const streams = (tab: Page | undefined): Promise<void> => shows(tab, "Live");
  const polls = (tab: Page | undefined): Promise<void> => shows(tab, "Polling");
  for (const [index, tab] of tabs.entries()) {
    await tab.goto(`/#/jobs/${id}`);
    await (index < 4 ? streams(tab) : polls(tab));
  }
  await first.close();
  await streams(others[1]);
  await polls(others[2]);
  await show(second, "hidden");
  await streams(others[2]);
  await polls(second);
  await show(second, "visible");
  await show(third, "hidden");
  await streams(others[3]);
  await polls(third);
  expect(await places(second)).toBe(4);

  clearInterval(dripping);
  await document.write(prose(1_100_000));
  await document.end(prose(1000));
  for (const tab of tabs.slice(1)) {
    await Card.only(tab).ended("Completed");
    await Card.only(tab).expectWhole();
  }
  for (const tab of tabs) await tab.close();
  await model.stop();
});
