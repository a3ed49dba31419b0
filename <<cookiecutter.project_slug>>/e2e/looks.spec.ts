/** The page on a small screen, in the dark, and without a mouse. */

import { Card, expect, fetchUrl, prose, test, upload } from "./fixtures";
import type { Page } from "./fixtures";

for (const colorScheme of ["light", "dark"] as const) {
  test(`nothing is wider than a phone of 360 px (${colorScheme})`, async ({ browser, source }) => {
    const context = await browser.newContext({ viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true, colorScheme });
    const page = await context.newPage();
    const document = source.serve(`${"a-long-name-without-any-blank-".repeat(5)}.txt`);
    await page.goto("/");
    await upload(
      page,
      { name: `${crypto.randomUUID()}.md`, buffer: `# ${"Donaudampfschifffahrt".repeat(6)}\n\n${"unbroken".repeat(60)} ${prose(500)}` },
      { name: `${crypto.randomUUID()}.pdf`, buffer: `%PDF-1.4 ${prose(50)}` },
      { name: "program.exe", buffer: "MZ\u0000\u0001" },
    );
    await fetchUrl(page, document.url);
    await expect(Card.named(page, document.name).row("size not announced")).toBeVisible();
    await expect(page.getByRole("alert").filter({ hasText: "program.exe" })).toBeVisible();

    const fits = async (): Promise<void> => {
      const { scroll, client } = await page.evaluate(() => ({
        scroll: globalThis.document.documentElement.scrollWidth,
        client: globalThis.document.documentElement.clientWidth,
      }));
      expect(client).toBe(360);
      expect(scroll).toBeLessThanOrEqual(client);
    };
    await fits();
    const ground = await page.evaluate(() => getComputedStyle(globalThis.document.documentElement).backgroundColor);
    expect(ground).toBe(colorScheme === "light" ? "rgb(247, 246, 243)" : "rgb(19, 20, 22)");

    await page.getByRole("link", { name: "Library" }).click();
    await expect(page.getByRole("searchbox", { name: "Search the documents" })).toBeVisible();
    await fits();
    await page.getByRole("region", { name: "Library" }).getByRole("heading", { level: 3 }).first().getByRole("link").click();
    await expect(page.getByRole("dialog")).toBeVisible();
    await fits();
    await page.goto(`/#/jobs/${await jobId(page)}`);
    await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
    await fits();
    await document.end();
    await context.close();
  });
}

test("the theme is chosen, and kept", async ({ page }) => {
  await page.emulateMedia({ colorScheme: "light" });
  await page.goto("/");
  const ground = (): Promise<string> => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  const light = await ground();
  await page.getByRole("button", { name: /^Theme: System/ }).click();
  await page.getByRole("button", { name: /^Theme: Light/ }).click();
  await expect(page.getByRole("button", { name: /^Theme: Dark/ })).toBeVisible();
  expect(await ground()).not.toBe(light);
  await page.reload();
  expect(await ground()).not.toBe(light);
});

test("all of it works from the keyboard", async ({ page }) => {
  const name = `${crypto.randomUUID()}.txt`;
  await page.goto("/");
  await upload(page, { name, buffer: prose(800) });
  const card = Card.named(page, name);
  await card.ended("Completed");

  const toggle = card.button(name);
  await toggle.focus();
  await expect(toggle).toHaveAttribute("aria-expanded", "true");
  await page.keyboard.press("Enter");
  await expect(toggle).toHaveAttribute("aria-expanded", "false");
  await page.keyboard.press("Enter");
  await expect(card.rows.first()).toBeVisible();

  await page.keyboard.press("Tab"); // Run again
  await page.keyboard.press("Tab"); // On a page of its own
  await page.keyboard.press("Tab"); // Read
  await expect(card.link(`Read ${name}`)).toBeFocused();
  await page.keyboard.press("Enter");
  const reader = page.getByRole("dialog");
  await expect(reader).toBeVisible();
  await expect.poll(() => reader.evaluate((element) => element.contains(document.activeElement))).toBe(true);
  await page.keyboard.press("Escape");
  await expect(reader).toHaveCount(0);
});

async function jobId(page: Page): Promise<string> {
  const response = await page.request.get("/api/jobs?limit=1");
  const { jobs } = (await response.json()) as { jobs: { job_id: string }[] };
  const id = jobs[0]?.job_id;
  if (id === undefined) throw new Error("no job is listed");
  return id;
}
