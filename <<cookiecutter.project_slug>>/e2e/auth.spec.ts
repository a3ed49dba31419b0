/** Signing in and out, whose things are whose, and what becomes of a stream whose token ends. */

import { readFile } from "node:fs/promises";
import { Card, expect, fetchUrl, prose, test, upload } from "./fixtures";
import type { Page } from "./fixtures";
import { enter, signIn, tokenOf } from "./people";
import { Wire } from "./wire";

const MB = 1_000_000;

/** How long a token holds here: see `make e2e`. */
const TOKEN_MS = Number(process.env.AUTH_TOKEN_SECONDS) * 1000;

const form = (page: Page) => page.getByRole("form", { name: "Sign in" });
const userMenu = (page: Page) => page.getByText("Signed in as ada");

test("a visitor is asked to sign in, and then gets what they had asked for", async ({ page, context }) => {
  await context.clearCookies();
  await page.goto("/#/library");
  await expect(form(page)).toBeVisible();
  await expect(page.getByLabel("Name")).toBeFocused();
  await expect(page.getByRole("navigation", { name: "Pages" })).toHaveCount(0);

  await signIn(page, "ada", "not the password");
  await expect(form(page).getByRole("alert")).toHaveText("The name or the password is wrong: check both.");
  await page.getByLabel("Password").fill("");
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(form(page).getByRole("alert")).toHaveText("Give both your name and your password.");

  await signIn(page, "ada");
  await expect(page.getByRole("heading", { name: "Library" })).toBeVisible();
  await expect(userMenu(page)).toBeVisible();
  expect(page.url()).toMatch(/#\/library$/);

  await page.reload();
  await expect(userMenu(page)).toBeVisible();
  await expect(form(page)).toHaveCount(0);
  await page.goto("/#/sign-in");
  await expect(page.getByRole("heading", { name: "Jobs" })).toBeVisible();
});

test("signing out closes every tab, and signing in opens them again", async ({ page, context }) => {
  const other = await context.newPage();
  await other.goto("/#/library");
  await expect(userMenu(other)).toBeVisible();
  await page.goto("/");
  await page.getByRole("button", { name: "Sign out" }).click();
  for (const tab of [page, other]) await expect(form(tab)).toBeVisible();
  await page.reload();
  await expect(form(page)).toBeVisible();

  await signIn(page, "ada");
  for (const tab of [page, other]) await expect(userMenu(tab)).toBeVisible();
  await expect(other.getByRole("heading", { name: "Library" })).toBeVisible();
});

test("59: what one user does another does not see", async ({ page, browser }) => {
  const name = `${crypto.randomUUID()}.txt`;
  await page.goto("/");
  await upload(page, { name, buffer: prose(900) });
  const card = Card.named(page, name);
  await card.ended("Completed");
  const id = await card.id();

  const hers = await browser.newContext();
  await hers.clearCookies();
  await enter(hers, "grace");
  const other = await hers.newPage();
  const told = ["/api/jobs", "/api/documents"].map((path) => other.waitForResponse((answer) => new URL(answer.url()).pathname === path));
  await other.goto("/");
  await expect(other.getByText("Signed in as grace")).toBeVisible();
  for (const answer of await Promise.all(told)) expect(await answer.text()).not.toContain(name);
  await expect(other.getByText(name)).toHaveCount(0);
  await other.goto(`/#/jobs/${id}`);
  await expect(other.getByText("There is no job with this id.")).toBeVisible();
  for (const path of [`/api/jobs/${id}`, `/api/log/${id}`, `/api/log/${id}/stream`, `/api/job/${id}/result`]) {
    const answer = await hers.request.get(path);
    expect([answer.status(), await answer.json()]).toEqual([404, { error: "not found" }]);
  }
  await hers.close();
});

test("an original is downloaded by its link, though a link shows no token", async ({ page }) => {
  const text = prose(400);
  const name = `${crypto.randomUUID()}-größe.txt`;
  await page.goto("/");
  await upload(page, { name, buffer: text });
  await Card.named(page, name).ended("Completed");
  await Card.named(page, name).link(`Read ${name}`).click();
  const link = page.getByRole("dialog").getByRole("link", { name: "Download the original" });
  const [download] = await Promise.all([page.waitForEvent("download"), link.click()]);
  expect(download.suggestedFilename()).toBe(name);
  expect(await readFile(await download.path(), "utf8")).toBe(text.toString());
});

for (const delivery of ["Stream", "Socket", "Poll"] as const) {
  test(`64: a token that ends in mid-job costs no line (${delivery})`, async ({ page, source }) => {
    test.setTimeout(90_000);
    const asked: string[] = [];
    page.on("request", (request) => asked.push(new URL(request.url()).pathname));
    page.on("websocket", (socket) => asked.push(new URL(socket.url()).pathname));
    const document = source.serve(`expiry-${delivery}.txt`);
    await page.goto("/");
    await page.getByRole("radio", { name: delivery }).check();
    await fetchUrl(page, document.url);
    const card = Card.named(page, document.name);
    await expect(card.row("size not announced")).toBeVisible();

    const refreshes = (): number => asked.filter((path) => path === "/api/auth/refresh").length;
    const before = refreshes();
    for (let part = 1; refreshes() === before || part < 4; part += 1) {
      await document.write(prose(1.1 * MB));
      await expect(card.row("Received")).toHaveCount(part);
      await page.waitForTimeout(3_000); // lines come before, at, and after the end of the token
    }
    await document.end(prose(1.1 * MB));
    await card.ended("Completed");
    await card.expectWhole();
    const route = { Stream: /^\/api\/log\/.*\/stream$/, Socket: /^\/api\/log\/.*\/ws$/, Poll: /^\/api\/log\/[^/]+$/ }[delivery];
    expect(asked.filter((path) => route.test(path)).length).toBeGreaterThan(1);
    expect(asked.filter((path) => path === "/api/auth/tickets").length).toBe(delivery === "Socket" ? asked.filter((path) => route.test(path)).length : 0);
  });
}

test("a network that is away for longer than a token holds costs no line", async ({ page, source, baseURL }) => {
  test.setTimeout(120_000);
  const wire = await Wire.between(page, baseURL ?? "");
  const document = source.serve("cut.txt");
  await page.goto(wire.url);
  await fetchUrl(page, document.url);
  const card = Card.named(page, document.name);
  await document.write(prose(1.1 * MB));
  await expect(card.row("Received")).toHaveCount(1);

  wire.cut();
  await expect(card.badge).toHaveText("Reconnecting");
  const end = Date.now() + TOKEN_MS;
  let parts = 1;
  for (; Date.now() < end; parts += 1) {
    await document.write(prose(1.1 * MB));
    await page.waitForTimeout(5_000); // the job gives up on a server that says nothing for longer
  }
  await wire.mend();
  await expect(card.row("Received")).toHaveCount(parts);
  await document.end(prose(1.1 * MB));
  await card.ended("Completed");
  await expect(userMenu(page)).toBeVisible();
  await card.expectWhole();
  await wire.stop();
});

test("reloads in the midst of getting the next token sign nobody out", async ({ page }) => {
  await page.goto("/");
  await expect(userMenu(page)).toBeVisible();
  for (let wait = 0; wait < 120; wait += 6) {
    await page.waitForTimeout(wait); // before, during and after the request
    // Not `reload`: Chromium refuses it while the page before is still giving way.
    await page.goto("/", { waitUntil: "commit" });
  }
  await expect(userMenu(page)).toBeVisible();
  await expect(form(page)).toHaveCount(0);
});

test("63: an EventSource, which sends no headers, takes a ticket", async ({ page, source }) => {
  const document = source.serve("ticket.txt");
  await page.goto("/#/library");
  const id = await startFetch(page, document.url);
  const follow = (url: string) =>
    page.evaluate(
      (from) =>
        new Promise<string>((resolve) => {
          const stream = new EventSource(from);
          stream.addEventListener("message", ({ data }: MessageEvent<string>) => {
            stream.close();
            resolve((JSON.parse(data) as { message: string }).message);
          });
          stream.addEventListener("error", () => resolve("refused"));
        }),
      url,
    );
  expect(await follow(`/api/log/${id}/stream`)).toBe("refused");
  expect((await page.request.post("/api/auth/tickets", { data: { job_id: id } })).status()).toBe(204);
  expect(await follow(`/api/log/${id}/stream`)).toContain(document.url);
  expect(await follow("/api/log/another/stream")).toBe("refused");
  await document.end();
});

test("a session that has ended asks to sign in again, and goes on where it was", async ({ page, context, source }) => {
  const document = source.serve("ended.txt");
  await page.goto("/");
  await fetchUrl(page, document.url);
  const card = Card.named(page, document.name);
  await document.write(prose(1.1 * MB));
  await expect(card.row("Received")).toHaveCount(1);

  await context.clearCookies();
  await page.reload();
  await expect(form(page)).toBeVisible();
  await document.end(prose(1.1 * MB));
  await signIn(page, "ada");
  await card.ended("Completed");
  await card.expectWhole();
});

test("68: with too many streams open the page polls", async ({ page, source }) => {
  const document = source.serve("crowded.txt");
  await page.goto("/#/library");
  const id = await startFetch(page, document.url);
  await page.goto("about:blank"); // it is not to make room when it leaves
  const headers = { authorization: `Bearer ${await tokenOf("ada")}` };
  const streams: Response[] = []; // one that is not kept is closed
  do streams.push(await fetch(`${process.env.E2E_BACKEND_URL}/api/log/${id}/stream`, { headers }));
  while (streams.at(-1)?.status === 200); // MAX_STREAMS_PER_USER of them

  const asked: string[] = [];
  page.on("request", (request) => asked.push(new URL(request.url()).pathname));
  await page.goto(`/#/jobs/${id}`);
  const card = Card.only(page);
  await document.write(prose(1.1 * MB));
  await expect(card.row("Received")).toHaveCount(1);
  expect(asked).toContain(`/api/log/${id}/stream`);
  expect(asked).toContain(`/api/log/${id}`);
  await Promise.all(streams.map(({ body }) => body?.cancel()));
  await document.end(prose(1.1 * MB));
  await card.ended("Completed");
  await card.expectWhole();
});

test("wrong passwords are not tried for ever", async ({ page, context }) => {
  await context.clearCookies();
  await page.goto("/");
  const alert = form(page).getByRole("alert");
  for (let attempt = 1; ; attempt += 1) {
    await page.getByLabel("Name").fill("mallory");
    await page.getByLabel("Password").fill(`guess number ${attempt}`);
    const [answer] = await Promise.all([page.waitForResponse("**/api/auth/sign-in"), page.getByRole("button", { name: "Sign in" }).click()]);
    if (answer.status() === 429) {
      expect(attempt).toBe(6);
      break;
    }
    await expect(alert).toContainText("is wrong");
  }
  await expect(alert).toContainText(/^Too many attempts to sign in: try again in \d+ s\.$/);
});

/** Starts a job past the page; gives its id. */
async function startFetch(page: Page, url: string): Promise<string> {
  const response = await page.request.post("/api/ingest", { multipart: { url } });
  expect(response.status()).toBe(202);
  return ((await response.json()) as { job_id: string }).job_id;
}
