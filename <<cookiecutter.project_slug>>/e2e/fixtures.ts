/** What the specs share: the page as a user names its parts, the backend's API, and the control of the stack. */

import { readFile } from "node:fs/promises";
import { connect } from "node:net";
import { dirname, join } from "node:path";
import { test as base, expect } from "@playwright/test";
import type { APIRequestContext, Locator, Page } from "@playwright/test";
import { authorise, enter, signsIn, tokenOf } from "./people";
import { pdf, prose, Source } from "./source";

export { expect };
export { pdf, prose };
export type { Served } from "./source";
export type { Page } from "@playwright/test";

/** Which store this run is about. */
export const store = (["dynamo", "redis"] as const).find((name) => name === process.env.E2E_STORE) ?? "memory";

/** The line of the fault suite on a server that is killed, of this store. */
export const lineOfKill = { memory: "01", dynamo: "02", redis: "03" }[store];

/** For tests of other servers than the one that everybody has signed in to. */
export const testOpenly = base.extend<{ source: Source }>({
  // oxlint-disable-next-line no-empty-pattern -- Playwright reads a fixture's needs from this very pattern
  source: async ({}, provide) => {
    const source = await Source.start();
    await provide(source);
    await source.stop();
  },
});

/** Where people sign in, every browser of a test has: see people.ts. */
export const test = testOpenly.extend<object, { signedInBrowser: undefined }>({
  signedInBrowser: [
    async ({ browser }, provide) => {
      const newContext = browser.newContext.bind(browser);
      browser.newContext = async (options) => {
        const context = await newContext(options);
        if (signsIn) await enter(context);
        return context;
      };
      await provide(undefined);
    },
    { scope: "worker", auto: true },
  ],
  request: async ({ request }, provide) => {
    if (signsIn) authorise(request, "ada", await tokenOf("ada"));
    await provide(request);
  },
});

/** A line of a log as the page shows it and as the API gives it. */
export interface Line {
  readonly text: string;
  readonly level: string;
}

/** A job's card, wherever it is shown. */
export class Card {
  readonly root: Locator;
  readonly badge: Locator;
  readonly rows: Locator;
  readonly #page: Page;

  constructor(page: Page, root: Locator) {
    this.#page = page;
    this.root = root;
    this.badge = root.locator(".badge");
    this.rows = root.locator(".streamator-log-entry");
  }

  /** The card of the newest job with this name. */
  static named(page: Page, name: string): Card {
    return new Card(page, page.getByRole("article", { name, exact: true }).first());
  }

  /** The only card on a job's own page. */
  static only(page: Page): Card {
    return new Card(page, page.getByRole("article"));
  }

  async id(): Promise<string> {
    const id = await this.root.getAttribute("data-job");
    if (id === null) throw new Error("the card has no data-job");
    return id;
  }

  row(text: string | RegExp): Locator {
    return this.rows.filter({ hasText: text });
  }

  button(name: string | RegExp): Locator {
    return this.root.getByRole("button", { name });
  }

  link(name: string | RegExp): Locator {
    return this.root.getByRole("link", { name });
  }

  /** `timeout`: how long that may take, in milliseconds (default: as long as anything else). */
  async ended(badge: "Completed" | "Failed" | "Cancelled", timeout?: number): Promise<void> {
    await expect(this.badge).toHaveText(badge, timeout === undefined ? {} : { timeout });
  }

  /** The lines on the page, in order. */
  async lines(): Promise<Line[]> {
    return this.rows.evaluateAll((rows) =>
      rows.map((row) => ({
        text: row.querySelector(".streamator-log-text")?.textContent ?? "",
        level: /streamator-log-entry--(\w+)/.exec(row.className)?.[1] ?? "info",
      })),
    );
  }

  /** The lines that the server has, and whether the log is closed. */
  async stored(): Promise<{ lines: Line[]; closed: boolean }> {
    return storedLog(this.#page.request, await this.id());
  }

  /** The page comes to show what the server has: no line more, none less, none twice. */
  async expectWhole(): Promise<void> {
    await expect(async () => {
      const { lines } = await this.stored(); // by one of several servers, which may know less than the page for a moment
      expect(lines.length).toBeGreaterThan(0);
      expect(await this.lines()).toEqual(lines);
    }).toPass({ timeout: 20_000 });
  }
}

export async function storedLog(request: APIRequestContext, id: string): Promise<{ lines: Line[]; closed: boolean }> {
  const response = await request.get(`api/log/${id}`);
  expect(response.status()).toBe(200);
  const { logs, closed } = (await response.json()) as {
    logs: { event: string; message?: string; level?: string; attempt?: number; reason?: string }[];
    closed: boolean;
  };
  const lines = logs
    .filter(({ event }) => event === "log" || event === "attempt")
    .map(({ message, level = "info", attempt, reason }) => ({ text: message ?? `Attempt ${attempt} - ${reason}`, level }));
  return { lines, closed };
}

/** Starts a job for an address, as a user does. */
export async function fetchUrl(page: Page, url: string): Promise<void> {
  await page.getByLabel("Or give an address").fill(url);
  await page.getByRole("button", { name: "Fetch" }).click();
}

/** Starts a job for each file, as a user does. */
export async function upload(page: Page, ...files: { name: string; mimeType?: string; buffer: Buffer | string }[]): Promise<void> {
  await page
    .getByLabel("Files to add")
    .setInputFiles(files.map(({ name, mimeType = "", buffer }) => ({ name, mimeType, buffer: Buffer.from(buffer) })));
}

/** The page of a job that has completed, of a document whose name ends with `ending`. */
export async function openJob(page: Page, ending = ".txt"): Promise<Card> {
  const name = `${crypto.randomUUID()}${ending}`;
  await page.goto("/");
  await upload(page, { name, buffer: prose(2_000) });
  const card = Card.named(page, name);
  await card.ended("Completed");
  await page.goto(`/#/jobs/${await card.id()}`);
  const only = Card.only(page);
  await only.expectWhole();
  return only;
}

/** The banner over the page. */
export function banner(page: Page): Locator {
  return page.getByText("What you see is what was known last.");
}

/**
 * Waits until all that a job has logged so far is in the DynamoDB table, as it must be before the process is killed:
 * the writer collects lines for a moment. `logMore` makes the job log another line.
 *
 * The writer puts one thing after another, so the second change from here on was put together after this call.
 */
export async function untilWritten(id: string, logMore: () => Promise<void>): Promise<void> {
  let written = await tableItems(id);
  for (let change = 0; change < 2; change += 1) {
    await logMore();
    await expect.poll(async () => (await tableItems(id)) !== written).toBe(true);
    written = await tableItems(id);
  }
}

/** Waits until all that a job has logged so far is in Redis, as it must be before the process is killed. */
export async function untilAppended(request: APIRequestContext, id: string): Promise<void> {
  const { next } = (await (await request.get(`api/log/${id}`)).json()) as { next: number };
  const key = (await askRedis(`KEYS *:log:${id}`)).split("\r\n").find((line) => line.endsWith(`:log:${id}`));
  if (key === undefined) throw new Error(`Redis holds no log of the job ${id}`);
  await expect.poll(async () => Number.parseInt((await askRedis(`XLEN ${key}`)).slice(1), 10)).toBeGreaterThanOrEqual(next);
}

/** The local Redis's answer to a command, as it comes over the wire. */
async function askRedis(command: string): Promise<string> {
  const { redis } = await readStack();
  if (redis === null) throw new Error("this stack has no local Redis");
  const { hostname, port } = new URL(redis.url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => socket.write(`${command}\r\nQUIT\r\n`));
    let answer = "";
    socket.setEncoding("utf8").on("data", (part: string) => (answer += part));
    socket.on("end", () => resolve(answer)).on("error", reject);
  });
}

/** The items of a job, as the local DynamoDB holds them. */
async function tableItems(id: string): Promise<string> {
  const { dynamo } = await readStack();
  if (dynamo === null) throw new Error("this stack has no local DynamoDB");
  const ask = async (operation: string, parameters: object): Promise<Record<string, unknown[]>> => {
    const response = await fetch(dynamo.url, {
      method: "POST",
      headers: {
        "content-type": "application/x-amz-json-1.0",
        "x-amz-target": `DynamoDB_20120810.${operation}`,
        // Names the service and the region; the local server checks no signature.
        authorization: `AWS4-HMAC-SHA256 Credential=local/20260101/${process.env.AWS_DEFAULT_REGION || "us-east-1"}/dynamodb/aws4_request, SignedHeaders=host, Signature=0`,
      },
      body: JSON.stringify(parameters),
    });
    if (!response.ok) throw new Error(`${operation}: ${response.status} ${await response.text()}`);
    return (await response.json()) as Record<string, unknown[]>;
  };
  const items: unknown[] = [];
  for (const table of (await ask("ListTables", {})).TableNames ?? []) {
    items.push(...((await ask("Scan", { TableName: table, ConsistentRead: true })).Items ?? []));
  }
  return items.map((item) => JSON.stringify(item)).filter((item) => item.includes(id)).join("\n");
}

interface Stack {
  readonly pid: number;
  readonly dynamo: { readonly url: string } | null;
  readonly redis: { readonly url: string } | null;
  readonly backend: { readonly starts: number; readonly ready: boolean };
}

/** Stops the backend, and waits until it is up again: "term" asks it to stop, "kill" does not ask. */
export async function restartBackend(how: "term" | "kill", whileAway: () => Promise<void> = async () => {}): Promise<void> {
  const before = await readStack();
  process.kill(before.pid, how === "term" ? "SIGUSR1" : "SIGUSR2");
  await whileAway();
  await expect
    .poll(async () => {
      const { backend } = await readStack();
      return backend.ready && backend.starts > before.backend.starts;
    }, { timeout: 20_000 })
    .toBe(true);
}

/** Where the backend keeps its files: `make e2e` has them beside the state file. */
export function dataFolder(): string {
  return join(dirname(stateFile()), "data");
}

async function readStack(): Promise<Stack> {
  return JSON.parse(await readFile(stateFile(), "utf8")) as Stack;
}

function stateFile(): string {
  const path = process.env.E2E_STATE_FILE;
  if (!path) throw new Error("E2E_STATE_FILE is not set, so the backend cannot be restarted: run the tests by `make e2e`.");
  return path;
}
