/** What a test can have any browser do, however it is driven: the least that Playwright and plain WebDriver have in common. */

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

/** A tab of a browser. What is looked for in it is named by a selector, and by some of its text. */
export abstract class Tab {
  abstract goto(url: string): Promise<void>;
  abstract reload(): Promise<void>;
  /** Runs a function in the page, where it knows of nothing but what it is given. Both ways as JSON. */
  abstract evaluate<Given, Result>(run: (given: Given) => Result, given: Given): Promise<Awaited<Result>>;
  abstract clickAt(at: Point): Promise<void>;
  /** Types to what has the focus; a line end is the Enter key. */
  abstract keys(text: string): Promise<void>;
  /** Turns the wheel, by pixels to the right and downwards. */
  abstract wheel(at: Point, right: number, down: number): Promise<void>;
  /** Gives a file on the disk to a field. */
  abstract choose(selector: string, path: string): Promise<void>;

  texts(selector: string): Promise<string[]> {
    return this.evaluate((wanted) => [...document.querySelectorAll(wanted)].map(({ textContent }) => textContent ?? ""), selector);
  }

  /** Waits until it is there. */
  async sees(selector: string, text = ""): Promise<void> {
    const found = async (): Promise<boolean> => (await this.texts(selector)).some((each) => each.includes(text));
    await expect.poll(found, `${selector} with “${text}”`).toBe(true);
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
    await this.clickAt(at ?? { x: 0, y: 0 });
  }

  async type(selector: string, text: string): Promise<void> {
    await this.click(selector);
    await this.keys(text);
  }
}

export class PlaywrightTab extends Tab {
  readonly #page: Page;

  constructor(page: Page) {
    super();
    this.#page = page;
  }

  async goto(url: string): Promise<void> {
    await this.#page.goto(url);
  }

  async reload(): Promise<void> {
    await this.#page.reload();
  }

  async evaluate<Given, Result>(run: (given: Given) => Result, given: Given): Promise<Awaited<Result>> {
    return (await this.#page.evaluate(run as (given: unknown) => unknown, given as unknown)) as Awaited<Result>;
  }

  clickAt({ x, y }: Point): Promise<void> {
    return this.#page.mouse.click(x, y);
  }

  keys(text: string): Promise<void> {
    return this.#page.keyboard.type(text);
  }

  async wheel({ x, y }: Point, right: number, down: number): Promise<void> {
    await this.#page.mouse.move(x, y);
    await this.#page.mouse.wheel(right, down);
  }

  choose(selector: string, path: string): Promise<void> {
    return this.#page.locator(selector).setInputFiles(path);
  }
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

interface Session {
  ask(command: keyof typeof PATHS, parameters: Readonly<Record<string, unknown>>): Promise<unknown>;
  stop(): Promise<void>;
}

/** An engine that Playwright does not drive as it is shipped: Playwright's Firefox and WebKit are builds of its own. */
export class WebDriverTab extends Tab {
  readonly #session: Session;

  /** Starts a browser with a fresh profile. */
  static async start(engine: string): Promise<WebDriverTab> {
    const { FIREFOX_PATH = "firefox", WEBKIT_PATH = "WebKitWebDriver" } = process.env;
    return new WebDriverTab(await (engine === "firefox" ? firefox(FIREFOX_PATH) : webkit(WEBKIT_PATH)));
  }

  private constructor(session: Session) {
    super();
    this.#session = session;
  }

  stop(): Promise<void> {
    return this.#session.stop();
  }

  async goto(url: string): Promise<void> {
    await this.#session.ask("Navigate", { url });
  }

  async reload(): Promise<void> {
    await this.#session.ask("Refresh", {});
  }

  async evaluate<Given, Result>(run: (given: Given) => Result, given: Given): Promise<Awaited<Result>> {
    return (await this.#session.ask("ExecuteScript", { script: `return (${String(run)})(arguments[0])`, args: [given], sandbox: null })) as Awaited<Result>;
  }

  async clickAt({ x, y }: Point): Promise<void> {
    await this.#act("pointer", { type: "pointerMove", x, y }, { type: "pointerDown", button: 0 }, { type: "pointerUp", button: 0 });
  }

  async keys(text: string): Promise<void> {
    const keys = Array.from(text, (key) => (key === "\n" ? "\uE007" : key));
    await this.#act("key", ...keys.flatMap((value) => ["keyDown", "keyUp"].map((type) => ({ type, value }))));
  }

  async wheel({ x, y }: Point, right: number, down: number): Promise<void> {
    await this.#act("wheel", { type: "scroll", x, y, deltaX: right, deltaY: down });
  }

  async choose(selector: string, path: string): Promise<void> {
    const element = (await this.#session.ask("FindElement", { using: "css selector", value: selector })) as Record<string, string>;
    await this.#session.ask("ElementSendKeys", { id: Object.values(element)[0], text: path });
  }

  async #act(type: string, ...actions: object[]): Promise<void> {
    // Each time by a new device: WebKit's driver turns a wheel by the difference to what that did last.
    await this.#session.ask("PerformActions", { actions: [{ type, id: crypto.randomUUID(), actions }] });
  }
}

/** WebKitGTK by its WebKitWebDriver, on a screen that nobody sees. */
async function webkit(program: string): Promise<Session> {
  const screen = spawn("Xvfb", ["-displayfd", "3", "-screen", "0", "1280x1000x24", "-nolisten", "tcp"], { stdio: ["ignore", "ignore", "ignore", "pipe"] });
  const [display] = (await once(screen.stdio[3] as Readable, "data")) as [Buffer];
  const environment = { DISPLAY: `:${String(display).trim()}`, GDK_BACKEND: "x11", NO_AT_BRIDGE: "1", WEBKIT_DISABLE_COMPOSITING_MODE: "1" };
  const origin = `http://127.0.0.1:${await freePort()}`;
  const server = spawn(program, [`--port=${new URL(origin).port}`], { env: { ...process.env, ...environment }, stdio: "ignore" });
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
async function firefox(program: string): Promise<Session> {
  const profile = await mkdtemp(join(tmpdir(), "firefox-"));
  await writeFile(join(profile, "user.js"), 'user_pref("marionette.port", 0);');
  const browser = spawn(program, ["--headless", "--marionette", "--width", "1280", "--height", "1000", "--profile", profile], { stdio: "ignore" });
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
