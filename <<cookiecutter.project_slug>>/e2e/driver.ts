/** A tab of any browser, however it is driven: by Playwright, or, since its Firefox and WebKit are builds of its own, by WebDriver. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import type { Page } from "@playwright/test";
import { expect } from "./fixtures";
import { answers, ended, freePort } from "./servers";

/** Pixels from the upper left corner of the view. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

interface Driver {
  goto(url: string): Promise<unknown>;
  reload(): Promise<unknown>;
  /** Runs a function in the page, where it knows of nothing but what it is given. Both ways as JSON. */
  evaluate(run: (given: never) => unknown, given: unknown): Promise<unknown>;
  clickAt(at: Point): Promise<unknown>;
  /** Types to what has the focus; a line end is the Enter key. */
  keys(text: string): Promise<unknown>;
  /** Turns the wheel, by pixels to the right and downwards. */
  wheel(at: Point, right: number, down: number): Promise<unknown>;
  /** Gives a file on the disk to a field. */
  choose(selector: string, path: string): Promise<unknown>;
}

/** What is looked for in it is named by a selector, and by some of its text. */
export class Tab {
  constructor(readonly driver: Driver) {}

  evaluate<Given, Result>(run: (given: Given) => Result, given: Given): Promise<Awaited<Result>> {
    return this.driver.evaluate(run, given) as Promise<Awaited<Result>>;
  }

  texts(selector: string): Promise<string[]> {
    return this.evaluate((wanted) => [...document.querySelectorAll(wanted)].map(({ textContent }) => textContent ?? ""), selector);
  }

  /** Waits until it is there. */
  async sees(selector: string, text = ""): Promise<void> {
    await expect.poll(async () => (await this.texts(selector)).some((each) => each.includes(text)), `${selector} with “${text}”`).toBe(true);
  }

  /** Clicks it once it can be clicked. */
  async click(selector: string, text = ""): Promise<void> {
    const find = (wanted: { selector: string; text: string }): Point | null => {
      const element = [...document.querySelectorAll(wanted.selector)].find((each) => each.textContent?.includes(wanted.text));
      element?.scrollIntoView({ block: "center", behavior: "instant" });
      const { x, y, width, height } = element?.getBoundingClientRect() ?? new DOMRect();
      const middle = { x: Math.round(x + width / 2), y: Math.round(y + height / 2) };
      return element?.contains(document.elementFromPoint(middle.x, middle.y)) ? middle : null;
    };
    let at: Point | null = null;
    await expect.poll(async () => (at = await this.evaluate(find, { selector, text })), `${selector} with “${text}”, covered by nothing`).not.toBeNull();
    await this.driver.clickAt(at ?? { x: 0, y: 0 });
  }

  async type(selector: string, text: string): Promise<void> {
    await this.click(selector);
    await this.driver.keys(text);
  }
}

export function playwright(page: Page): Driver {
  return {
    goto: (url) => page.goto(url),
    reload: () => page.reload(),
    evaluate: (run, given) => page.evaluate(run as (given: unknown) => unknown, given),
    clickAt: ({ x, y }) => page.mouse.click(x, y),
    keys: (text) => page.keyboard.type(text),
    wheel: async ({ x, y }, right, down) => {
      await page.mouse.move(x, y);
      await page.mouse.wheel(right, down);
    },
    choose: (selector, path) => page.locator(selector).setInputFiles(path),
  };
}

/** The commands of WebDriver (https://www.w3.org/TR/webdriver2/) that are needed, by their names for Firefox; here their paths. */
const PATHS = {
  Navigate: "/url",
  Refresh: "/refresh",
  ExecuteScript: "/execute/sync",
  PerformActions: "/actions",
  FindElement: "/element",
  ElementSendKeys: "/element/{id}/value",
};

/** A browser with a fresh profile. */
interface Session {
  ask(command: keyof typeof PATHS, parameters: Readonly<Record<string, unknown>>): Promise<unknown>;
  stop(): Promise<void>;
}

export function webDriver({ ask }: Session): Driver {
  // Each time by a new device: WebKit's driver turns a wheel by the difference to what that did last.
  const act = (type: string, ...actions: object[]) => ask("PerformActions", { actions: [{ type, id: crypto.randomUUID(), actions }] });
  return {
    goto: (url) => ask("Navigate", { url }),
    reload: () => ask("Refresh", {}),
    // Without a sandbox, what it sets in Firefox is the page's own.
    evaluate: (run, given) => ask("ExecuteScript", { script: `return (${String(run)})(arguments[0])`, args: [given], sandbox: null }),
    clickAt: ({ x, y }) => act("pointer", { type: "pointerMove", x, y }, { type: "pointerDown", button: 0 }, { type: "pointerUp", button: 0 }),
    keys: (text) => act("key", ...Array.from(text.replaceAll("\n", "\uE007"), (value) => [{ type: "keyDown", value }, { type: "keyUp", value }]).flat()),
    wheel: ({ x, y }, right, down) => act("wheel", { type: "scroll", x, y, deltaX: right, deltaY: down }),
    choose: async (selector, path) => {
      const element = (await ask("FindElement", { using: "css selector", value: selector })) as Record<string, string>;
      return ask("ElementSendKeys", { id: Object.values(element)[0], text: path });
    },
  };
}

/** WebKitGTK by its WebKitWebDriver, on a screen that nobody sees. */
export async function webkit(): Promise<Session> {
  const screen = spawn("Xvfb", ["-displayfd", "3", "-screen", "0", "1280x1000x24", "-nolisten", "tcp"], { stdio: ["ignore", "ignore", "ignore", "pipe"] });
  const [display] = (await once(screen.stdio[3] as Readable, "data")) as [Buffer];
  const environment = { DISPLAY: `:${String(display).trim()}`, GDK_BACKEND: "x11", NO_AT_BRIDGE: "1", WEBKIT_DISABLE_COMPOSITING_MODE: "1" };
  const origin = `http://127.0.0.1:${await freePort()}`;
  const { WEBKIT_PATH = "WebKitWebDriver" } = process.env;
  const server = spawn(WEBKIT_PATH, [`--port=${new URL(origin).port}`], { env: { ...process.env, ...environment }, stdio: "ignore" });
  await answers(`${origin}/status`, server);
  const ask = async (method: string, path: string, parameters?: object): Promise<unknown> => {
    const response = await fetch(origin + path, { method, body: JSON.stringify(parameters) });
    const { value } = (await response.json()) as { value: unknown };
    if (!response.ok) throw new Error(`${path}: ${JSON.stringify(value)}`);
    return value;
  };
  const { sessionId } = (await ask("POST", "/session", { capabilities: {} })) as { sessionId: string };
  return {
    ask: (command, parameters) => ask("POST", `/session/${sessionId}${PATHS[command].replace("{id}", String(parameters.id))}`, parameters),
    stop: async () => {
      await ask("DELETE", `/session/${sessionId}`);
      await ended(server, "SIGTERM");
      await ended(screen, "SIGTERM");
    },
  };
}

/** Firefox by Marionette, its own way of WebDriver: https://firefox-source-docs.mozilla.org/testing/marionette/Protocol.html */
export async function firefox(): Promise<Session> {
  const profile = await mkdtemp(join(tmpdir(), "firefox-"));
  await writeFile(join(profile, "user.js"), 'user_pref("marionette.port", 0);');
  const { FIREFOX_PATH = "firefox" } = process.env;
  const browser = spawn(FIREFOX_PATH, ["--headless", "--marionette", "--width", "1280", "--height", "1000", "--profile", profile], { stdio: "ignore" });
  let port = 0;
  await expect.poll(async () => (port = Number(await readFile(join(profile, "MarionetteActivePort"), "utf8").catch(() => 0)))).toBeGreaterThan(0);
  const socket = connect(port, "127.0.0.1").setEncoding("utf8");
  await message(socket); // its greeting
  const ask = async (command: string, parameters: object): Promise<unknown> => {
    const asked = JSON.stringify([0, 0, `WebDriver:${command}`, parameters]);
    socket.write(`${Buffer.byteLength(asked)}:${asked}`);
    const [, , error, result] = (await message(socket)) as [1, 0, object | null, { value: unknown }];
    if (error !== null) throw new Error(`${command}: ${JSON.stringify(error)}`);
    return result.value;
  };
  await ask("NewSession", {});
  return {
    ask,
    stop: async () => {
      socket.destroy();
      await ended(browser, "SIGTERM");
      await rm(profile, { recursive: true });
    },
  };
}

/** The next message, which comes as JSON behind its length in bytes and a colon. */
function message(socket: Socket): Promise<unknown> {
  return new Promise((resolve, reject) => {
    let text = "";
    const take = (part: string): void => {
      text += part;
      const [length = ""] = text.split(":", 1);
      if (Buffer.byteLength(text) <= length.length + Number(length)) return;
      socket.off("data", take).off("close", reject);
      resolve(JSON.parse(text.slice(length.length + 1)));
    };
    socket.on("data", take).on("close", reject);
  });
}
