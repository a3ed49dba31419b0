/** The log of a job on its page: what can be done with its lines. */

import { expect, openJob, test } from "./fixtures";

test("select all and copy give each line as one line, with its time", async ({ page, context }) => {
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  const card = await openJob(page);
  await page.getByRole("heading", { level: 1 }).click();
  await page.keyboard.press("ControlOrMeta+A");
  await page.keyboard.press("ControlOrMeta+C");
  const copied = (await page.evaluate(() => navigator.clipboard.readText())).split(/\r?\n/);
  for (const { text } of await card.lines()) expect(copied.some((line) => /^\d+\.\ds /.test(line) && line.slice(line.indexOf(" ") + 1) === text), `${text} in ${copied.join("|")}`).toBe(true);
});

test("a line has a link that can be shared, and leads to it", async ({ page }) => {
  const card = await openJob(page);
  const address = page.url();
  await card.link(/^Link to line 2$/).click();
  expect(page.url()).toBe(`${address}?line=2`);
  const linked = card.root.locator(".streamator-log-entry--linked");
  const [, second] = await card.lines();
  await expect(linked.locator(".streamator-log-text")).toHaveText(second?.text ?? "");
  await page.reload();
  await expect(linked.locator(".streamator-log-text")).toHaveText(second?.text ?? "");
  await expect(linked).toBeInViewport();

  // By keyboard: one stop for Tab, whatever the number of lines.
  await page.getByRole("log").focus();
  await page.keyboard.press("Enter");
  await page.keyboard.press("ArrowDown");
  const link = page.locator(".streamator-log-line:focus");
  const number = await link.textContent();
  await page.keyboard.press("Enter");
  await expect.poll(() => page.url()).toBe(`${address}?line=${number}`);
});

test("without wrap, a line that is longer than the log can be scrolled to its end", async ({ page }) => {
  await page.setViewportSize({ width: 360, height: 740 });
  const card = await openJob(page, `${"-and-so-on".repeat(6)}.txt`);
  const log = page.getByRole("log");
  await card.button("Wrap").click();
  const rest = await log.evaluate((element) => {
    element.scrollLeft = element.scrollWidth;
    const ends = [...element.querySelectorAll(".streamator-log-text")].map((text) => text.getBoundingClientRect().right);
    return { scrolled: element.scrollLeft, beyond: Math.max(...ends) - element.getBoundingClientRect().right };
  });
  expect(rest.scrolled).toBeGreaterThan(0);
  expect(rest.beyond).toBeLessThanOrEqual(0);
});
