/**
 * WebKitGTK by plain WebDriver (https://www.w3.org/TR/webdriver2/), since Playwright drives no WebKit but its own build.
 * A handful of requests: the client libraries for it bring browser managers that this has no use for.
 */

import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import type { Readable } from "node:stream";
import type { Driver, Point } from "./driver";
import { expect } from "./fixtures";

const ELEMENT = "element-6066-11e4-a52e-4f735466cecf"; // the standard's name for a reference to one
const ENTER = "\uE007";

export class WebDriver implements Driver {
  readonly #session: string;
  readonly #processes: readonly ChildProcess[];

  /** Starts the browser, with a fresh profile, on a screen that nobody sees. `program` is its WebKitWebDriver. */
  static async start(program: string): Promise<WebDriver> {
    const screen = spawn("Xvfb", ["-displayfd", "3", "-screen", "0", "1280x1000x24", "-nolisten", "tcp"], { stdio: ["ignore", "ignore", "ignore", "pipe"] });
    const [display] = (await once(screen.stdio[3] as Readable, "data")) as [Buffer];
    const port = await freePort();
    const environment = { ...process.env, DISPLAY: `:${String(display).trim()}`, GDK_BACKEND: "x11", NO_AT_BRIDGE: "1", WEBKIT_DISABLE_COMPOSITING_MODE: "1" };
    const server = spawn(program, [`--port=${port}`], { env: environment, stdio: "ignore" });
    const origin = `http://127.0.0.1:${port}`;
    await expect(async () => void (await fetch(`${origin}/status`))).toPass({ timeout: 10_000 });
    const { sessionId } = (await ask(`${origin}/session`, { capabilities: { alwaysMatch: {} } })) as { sessionId: string };
    return new WebDriver(`${origin}/session/${sessionId}`, [server, screen]);
  }

  private constructor(session: string, processes: readonly ChildProcess[]) {
    this.#session = session;
    this.#processes = processes;
  }

  async stop(): Promise<void> {
    await fetch(this.#session, { method: "DELETE" });
    for (const each of this.#processes) {
      const gone = once(each, "exit");
      if (each.kill()) await gone;
    }
  }

  async goto(url: string): Promise<void> {
    await this.#ask("/url", { url });
  }

  async reload(): Promise<void> {
    await this.#ask("/refresh", {});
  }

  async evaluate<Given, Result>(run: (given: Given) => Result, given: Given): Promise<Result> {
    return (await this.#ask("/execute/sync", { script: `return (${String(run)})(arguments[0])`, args: [given] })) as Result;
  }

  async click({ x, y }: Point): Promise<void> {
    await this.#act("pointer", { type: "pointerMove", x, y }, { type: "pointerDown", button: 0 }, { type: "pointerUp", button: 0 });
  }

  async type(text: string): Promise<void> {
    const keys = Array.from(text, (key) => (key === "\n" ? ENTER : key));
    await this.#act("key", ...keys.flatMap((value) => ["keyDown", "keyUp"].map((type) => ({ type, value }))));
  }

  async wheel({ x, y }: Point, right: number, down: number): Promise<void> {
    await this.#act("wheel", { type: "scroll", x, y, deltaX: right, deltaY: down });
  }

  async choose(selector: string, path: string): Promise<void> {
    const element = (await this.#ask("/element", { using: "css selector", value: selector })) as { [ELEMENT]: string };
    await this.#ask(`/element/${element[ELEMENT]}/value`, { text: path });
  }

  async screenshot(): Promise<Buffer> {
    return Buffer.from((await this.#ask("/screenshot")) as string, "base64");
  }

  async #act(type: string, ...actions: object[]): Promise<void> {
    await this.#ask("/actions", { actions: [{ type, id: type, actions }] });
  }

  #ask(command: string, body?: object): Promise<unknown> {
    return ask(this.#session + command, body);
  }
}

async function ask(url: string, body?: object): Promise<unknown> {
  const post = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  const response = await fetch(url, body === undefined ? {} : post);
  const { value } = (await response.json()) as { value: unknown };
  if (!response.ok) throw new Error(`${new URL(url).pathname}: ${JSON.stringify(value)}`);
  return value;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
