/** Several servers, one page: what is seen of a job does not depend on which of them lives. */

import { mkdir } from "node:fs/promises";
import type { Response } from "@playwright/test";
import { Card, expect, fetchUrl, lineOfKill, prose, store, test as base } from "./fixtures";
import type { Page, Served } from "./fixtures";
import { LEASE_SECONDS, Servers } from "./servers";

const MB = 1_000_000;
/** How often a server is killed at random, and what determines when: the run prints it, and given again repeats it. */
const ROUNDS = Number(process.env.E2E_ROUNDS || 6);
const SEED = Number(process.env.E2E_SEED || Math.floor(Math.random() * 1e9));

const test = base.extend<{ viewer: Viewer }, { servers: Servers; logs: string }>({
  // What the servers print, beside the results of the tests.
  logs: [
    // oxlint-disable-next-line no-empty-pattern -- Playwright reads a fixture's needs from this very pattern
    async ({}, provide, { project }) => {
      const folder = `${project.outputDir}/servers-${store}`;
      await mkdir(folder, { recursive: true });
      await provide(folder);
    },
    { scope: "worker" },
  ],
  servers: [
    async ({ logs }, provide) => {
      const servers = await Servers.start(logs);
      await provide(servers);
      await servers.stop();
    },
    { scope: "worker" },
  ],
  baseURL: async ({ servers }, provide) => provide(servers.url),
  viewer: async ({ page, servers, logs }, provide) => {
    for (const address of servers.addresses) await servers.run(address, logs); // a test before may have ended it
    await provide(await Viewer.of(page, servers));
  },
});

/** A page, and what is known of the servers that it talks to. */
class Viewer {
  readonly #page: Page;
  readonly #servers: Servers;
  /** The server that sends the log that is in view; null before the first. */
  server: string | null = null;
  /** The server that runs the job. */
  runner = "";
  card: Card;

  private constructor(page: Page, servers: Servers) {
    this.#page = page;
    this.#servers = servers;
    this.card = Card.only(page);
  }

  static async of(page: Page, servers: Servers): Promise<Viewer> {
    const viewer = new Viewer(page, servers);
    page.on("response", (response) => {
      if (/\/api\/log\/[^/]+\/stream$/.test(response.url()) && response.status() === 200) viewer.server = servedBy(response.headers());
    });
    // Playwright tells nothing of a WebSocket's handshake.
    const devtools = await page.context().newCDPSession(page);
    await devtools.send("Network.enable");
    devtools.on("Network.webSocketHandshakeResponseReceived", ({ response }) => {
      viewer.server = servedBy(Object.fromEntries(Object.entries(response.headers).map(([name, value]) => [name.toLowerCase(), value])));
    });
    // Whatever the page says over everything else, however short.
    await page.addInitScript(() => {
      const said: string[] = [];
      Object.assign(globalThis, { said });
      new MutationObserver(() => {
        const text = document.querySelector(".banner")?.textContent;
        if (text && said.at(-1) !== text) said.push(text);
      }).observe(document, { childList: true, subtree: true });
    });
    return viewer;
  }

  /** Starts a job, and shows it on its own page. */
  async begin(document: Served, delivery: "Stream" | "Socket" | "Poll" = "Stream"): Promise<void> {
    this.server = null;
    await this.#page.goto("/");
    await this.#page.getByRole("radio", { name: delivery }).check();
    const started = this.#page.waitForResponse((response: Response) => /\/api\/ingest(\/stream)?$/.test(response.url()));
    await fetchUrl(this.#page, document.url);
    this.runner = servedBy((await started).headers());
    await Card.named(this.#page, document.name).link("on a page of its own").click();
    await expect(this.card.root).toHaveCount(1); // while the list is shown, there are several
    await expect(this.card.root).toHaveAttribute("data-job", /./);
    await expect(this.card.badge).toHaveText(delivery === "Poll" ? "Polling" : "Live");
  }

  /** Has the log sent by this server. Each time the page is loaded it is another one's turn, or nearly. */
  async watchOn(address: string): Promise<void> {
    for (let loads = 0; this.server !== address; loads += 1) {
      // Whether a load makes an even or an odd number of requests is the browser's: with one more for every second of them
      // it comes to both servers.
      if (loads % 2 === 1) await this.#page.request.get("/healthz");
      this.server = null;
      await this.#page.reload();
      await expect.poll(() => this.server).not.toBeNull();
    }
    await expect(this.card.badge).toHaveText("Live");
  }

  /** Until another server than this one sends the log. */
  async movedFrom(address: string): Promise<void> {
    await expect.poll(() => this.server).toBe(this.#servers.other(address));
  }

  /** Nothing was ever laid over the page: neither that the backend is away nor that its store has trouble. */
  async expectUntroubled(): Promise<void> {
    expect(await this.#page.evaluate(() => (globalThis as unknown as { said: string[] }).said)).toEqual([]);
  }

  async row(): Promise<{ status: string; attempt: number }> {
    return (await (await this.#page.request.get(`/api/jobs/${await this.card.id()}`)).json()) as { status: string; attempt: number };
  }

  /** Until the job goes on elsewhere, and to its end: the document is sent to who asks for it anew. */
  async goesOn(document: Served): Promise<void> {
    await expect.poll(async () => (await this.row()).attempt).toBe(2);
    await document.end();
    await this.card.ended("Completed", 60_000);
  }
}

/** The server that answered, the last of those that nginx tried. */
function servedBy(headers: Record<string, string>): string {
  return headers["x-served-by"]?.split(", ").at(-1) ?? "";
}

/** Writes parts of a document, each of which is a line in the log, and waits until the page shows them all. */
async function writeParts(viewer: Viewer, document: Served, first: number, count: number): Promise<void> {
  for (let part = first; part < first + count; part += 1) {
    await document.write(prose(1.05 * MB));
    await expect(viewer.card.row("Received")).toHaveCount(part);
  }
}

test.skip(store === "memory", "the memory store is for one server");

for (const delivery of ["Stream", "Socket", "Poll"] as const) {
  test(`a job is started on one server and watched on another (${delivery})`, async ({ viewer, servers, source }) => {
    const document = source.serve(`two-servers-${delivery}.txt`);
    await viewer.begin(document, delivery);
    // Polls are answered by both in turn.
    if (delivery !== "Poll") await viewer.watchOn(servers.other(viewer.runner));
    await writeParts(viewer, document, 1, 6);
    await viewer.card.expectWhole();
    await document.end();
    await viewer.card.ended("Completed");
    await viewer.card.expectWhole();
    await viewer.expectUntroubled();
  });
}

for (const delivery of ["Stream", "Socket"] as const) {
  test(`${lineOfKill}: the server that serves the viewer is killed (${delivery})`, async ({ viewer, servers, source }) => {
    const document = source.serve(`viewers-server-killed-${delivery}.txt`);
    await viewer.begin(document, delivery);
    const serving = servers.other(viewer.runner);
    await viewer.watchOn(serving);
    await writeParts(viewer, document, 1, 3);
    await servers.end(serving, "SIGKILL");
    await document.write(prose(1.05 * MB)); // while nobody sends anything to the page
    await viewer.movedFrom(serving);
    await writeParts(viewer, document, 5, 2);
    await viewer.card.expectWhole();
    await document.end();
    await viewer.card.ended("Completed");
    await viewer.card.expectWhole();
    await viewer.expectUntroubled();
  });
}

for (const served of ["on the other one", "on that one as well"] as const) {
  test(`19: the server that runs the job is killed, watched ${served}`, async ({ page, viewer, servers, source }, testInfo) => {
    const document = source.serve(`jobs-server-killed-${served.replaceAll(" ", "-")}.txt`);
    await viewer.begin(document);
    await viewer.watchOn(served === "on the other one" ? servers.other(viewer.runner) : viewer.runner);
    await writeParts(viewer, document, 1, 4);
    const before = await viewer.card.lines();

    await servers.end(viewer.runner, "SIGKILL");
    const killed = performance.now();
    await expect.poll(async () => (await viewer.row()).attempt).toBe(2);
    expect(performance.now() - killed).toBeLessThan(2_000 * LEASE_SECONDS);
    await viewer.goesOn(document);
    expect((await viewer.card.lines()).slice(0, before.length)).toEqual(before);
    await viewer.card.expectWhole();
    await viewer.expectUntroubled();
    await page.screenshot({ path: testInfo.outputPath("lost.png") });
  });
}

test("the server that serves the viewer is asked to stop", async ({ viewer, servers, source }) => {
  const document = source.serve("viewers-server-drained.txt");
  await viewer.begin(document);
  const serving = servers.other(viewer.runner);
  await viewer.watchOn(serving);
  await writeParts(viewer, document, 1, 3);
  const [took] = await Promise.all([servers.end(serving, "SIGTERM"), document.write(prose(1.05 * MB))]);
  expect(took).toBeLessThan(2_000);
  await viewer.movedFrom(serving);
  await writeParts(viewer, document, 5, 2);
  await document.end();
  await viewer.card.ended("Completed");
  await viewer.card.expectWhole();
  await viewer.expectUntroubled();
});

test("the server that runs the job and serves its viewer is asked to stop", async ({ viewer, servers, source }) => {
  const document = source.serve("jobs-server-drained.txt");
  await viewer.begin(document);
  await viewer.watchOn(viewer.runner);
  await writeParts(viewer, document, 1, 3);
  expect(await servers.end(viewer.runner, "SIGTERM")).toBeLessThan(2_000);
  await viewer.movedFrom(viewer.runner);
  await viewer.goesOn(document);
  await expect(viewer.card.row("The server is stopping: the job goes on at its next start, or at another one.")).toHaveCount(1);
  await viewer.card.expectWhole();
  await viewer.expectUntroubled();
});

test("a job is cancelled through the server that does not run it", async ({ page, viewer, servers, source }) => {
  const document = source.serve("cancelled-elsewhere.txt");
  await viewer.begin(document);
  await writeParts(viewer, document, 1, 1);
  // Straight to the other one, as the page would with nginx's next turn.
  const answer = await page.request.post(`http://${servers.other(viewer.runner)}/api/job/${await viewer.card.id()}/cancel`);
  expect(answer.status()).toBe(202);
  await viewer.card.ended("Cancelled");
  await viewer.card.expectWhole();
});

test("servers are killed at random moments", async ({ viewer, servers, source, logs }) => {
  test.setTimeout(60_000 * ROUNDS);
  const say = (text: string): void => console.log(`  ${text}`); // oxlint-disable-line no-console -- it is for who has to repeat a failure
  const random = randomFrom(SEED);
  say(`E2E_SEED=${SEED} E2E_ROUNDS=${ROUNDS}`);
  const oneOf = <T>(...choices: readonly T[]): T => choices[Math.floor(random() * choices.length)] as T;
  for (let round = 1; round <= ROUNDS; round += 1) {
    const delivery = oneOf("Stream", "Socket", "Poll");
    const document = source.serve(`random-${SEED}-${round}.txt`);
    await viewer.begin(document, delivery);
    const victim = oneOf(...servers.addresses);
    const signal = oneOf("SIGKILL", "SIGKILL", "SIGTERM");
    const [moment, away] = [random() * 2_000, random() * 1_500];
    const role = `${victim === viewer.runner ? "runs the job" : "does not run the job"}${victim === viewer.server ? " and serves the viewer" : ""}`;
    say(`round ${round}: ${delivery}, ${signal} after ${Math.round(moment)} ms to the server that ${role}, back ${Math.round(away)} ms later`);

    const accident = (async () => {
      await pause(moment);
      await servers.end(victim, signal);
      await pause(away);
      await servers.run(victim, logs);
    })();
    for (let part = 1; part <= 12; part += 1) {
      await document.write(prose(1.05 * MB));
      await pause(random() * 250);
    }
    await accident;
    await document.end();

    await viewer.card.ended("Completed", 60_000); // 12 MB are read beside a server that starts, twice if it ran the job
    await viewer.card.expectWhole();
    await viewer.expectUntroubled();
  }
});

/** Numbers from 0 to 1 that a seed determines (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
