/** The page on a small screen, in the dark, and without a mouse. */

import type { Locator } from "@playwright/test";
import { Card, expect, fetchUrl, prose, test, upload } from "./fixtures";
import type { Page } from "./fixtures";
import { legibility } from "./legibility";

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

test("the buttons that lead back to the end can be read, in light and dark", async ({ page, source }) => {
  const canBeRead = async (button: Locator): Promise<void> => {
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme });
      for (const part of [button, button.locator("span")]) expect((await legibility(part)).contrast, colorScheme).toBeGreaterThanOrEqual(4.5);
    }
  };
  await page.setViewportSize({ width: 420, height: 500 });
  await page.goto("/#/components");
  const draft = page.getByRole("region", { name: "Draft", exact: true });
  await expect.poll(() => draft.evaluate((element) => element.scrollTop)).toBeGreaterThan(20);
  await draft.hover();
  await page.mouse.wheel(0, -400);
  await canBeRead(page.getByRole("button", { name: "Follow" }));

  const document = source.serve("long.txt");
  const id = await startJob(page, document.url);
  await page.goto(`/#/jobs/${id}`);
  const log = page.getByRole("log");
  await expect(log).toContainText("size not announced");
  for (let part = 1; part <= 8; part += 1) {
    await document.write(prose(1_100_000));
    await expect(log).toContainText(`Received ${part}`);
  }
  await log.hover();
  await page.mouse.wheel(0, -400);
  await document.write(prose(1_100_000));
  await canBeRead(page.getByRole("button", { name: /new line/ }));

  // And the ring of the focus is within the frame, which would cut it.
  await log.focus();
  await page.keyboard.press("ArrowUp");
  expect(await log.evaluate((element) => getComputedStyle(element).outlineOffset)).toBe("-2px");
  await document.end();
});

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

/** Starts a job, as another device might. */
async function startJob(page: Page, url: string): Promise<string> {
  const response = await page.request.post("/api/ingest", { multipart: { url } });
  expect(response.status()).toBe(202);
  return ((await response.json()) as { job_id: string }).job_id;
}
