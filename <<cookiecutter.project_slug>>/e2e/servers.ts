/** Servers of the app behind nginx, as ops/nginx.conf has it: on one address, in turn, without sticky sessions. */

import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { openSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
/** `make e2e` says which Python has the app. */
const python = process.env.E2E_PYTHON || "python3";

/** Seconds without a sign of life after which a server counts as dead: its viewers are told within twice as long. */
export const LEASE_SECONDS = 2;

/** Whether the app is at the root of its host or below `/app`, and whether nginx then passes that on. */
export type Prefix = "none" | "kept" | "cut";

export class Servers {
  /** Where the page is, at nginx; with a slash at its end. */
  readonly url: string;
  /** What the servers call themselves in `X-Served-By`: each keeps its address over a restart. */
  readonly addresses: readonly [string, string];
  readonly #folder: string;
  readonly #prefix: Prefix;
  readonly #running = new Map<string, ChildProcess>();
  #nginx: ChildProcess | null = null;

  private constructor(folder: string, ports: readonly [number, number, number], prefix: Prefix) {
    this.#folder = folder;
    this.#prefix = prefix;
    this.url = `http://127.0.0.1:${ports[0]}${prefix === "none" ? "/" : "/app/"}`;
    this.addresses = [`127.0.0.1:${ports[1]}`, `127.0.0.1:${ports[2]}`];
  }

  /** `output`: the folder that takes what they print; `count`: how many of the two servers run; `prefix`: where. */
  static async start(output: string, count: 1 | 2 = 2, prefix: Prefix = "none"): Promise<Servers> {
    const [nginx, first] = [await freePort(), await freePort()];
    // Nobody holds the port of a server that never runs: nginx would pass requests on to whatever took it.
    const ports = [nginx, first, count === 1 ? first : await freePort()] as const;
    const servers = new Servers(await mkdtemp(join(tmpdir(), "servers-")), ports, prefix);
    try {
      await Promise.all(servers.addresses.slice(0, count).map((address) => servers.run(address, output)));
      await servers.#startNginx(output);
    } catch (error) {
      await servers.stop();
      throw error;
    }
    return servers;
  }

  /** The server that is not this one. */
  other(address: string): string {
    return this.addresses[address === this.addresses[0] ? 1 : 0];
  }

  /** Starts a server that does not run; returns when it answers. */
  async run(address: string, output: string): Promise<void> {
    if (this.#running.has(address)) return;
    const port = new URL(`http://${address}`).port;
    const server = start(join(output, `server-${port}.log`), ["-m", "app"], {
      BACKEND_HOST: "127.0.0.1",
      BACKEND_PORT: port,
      DATA_DIR: join(this.#folder, "data"),
      STATIC_DIR: join(root, "frontend", "dist"),
      ...(this.#prefix === "none" ? {} : { ROOT_PATH: "/app" }),
      STREAMATOR_LEASE_SECONDS: String(LEASE_SECONDS),
    });
    this.#running.set(address, server);
    await answers(`http://${address}/healthz`, server);
  }

  /** Ends a server by a signal; gives the milliseconds that it took. */
  async end(address: string, signal: "SIGKILL" | "SIGTERM"): Promise<number> {
    const server = this.#running.get(address);
    if (server === undefined) throw new Error(`there is no server at ${address} now`);
    this.#running.delete(address);
    const before = performance.now();
    await ended(server, signal);
    return performance.now() - before;
  }

  async stop(): Promise<void> {
    const nginx = this.#nginx === null ? [] : [this.#nginx];
    await Promise.all([...this.#running.values(), ...nginx].map((process) => ended(process, "SIGKILL")));
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #startNginx(output: string): Promise<void> {
    const site = (location: string, slash: string): string => `location ${location} {\n        proxy_pass http://app${slash};`;
    const moved = { none: [], kept: [`${site("/", "")}=${site("/app/", "")}`], cut: [`${site("/", "")}=${site("/app/", "/")}`] };
    this.#nginx = start(join(output, "nginx.log"), [
      join(root, "libs", "streamator", "tests", "nginx.py"),
      join(this.#folder, "nginx"),
      join(root, "ops", "nginx.conf"),
      `listen 8080=listen ${new URL(this.url).host}`,
      `127.0.0.1:8000=${this.addresses[0]}`,
      `127.0.0.1:8001=${this.addresses[1]}`,
      ...moved[this.#prefix],
    ]);
    await answers(`${this.url}healthz`, this.#nginx);
  }
}

function start(log: string, command: readonly string[], environment: Record<string, string> = {}): ChildProcess {
  const output = openSync(log, "a");
  return spawn(python, command, { cwd: root, env: { ...process.env, ...environment }, stdio: ["ignore", output, output] });
}

export async function answers(url: string, process: ChildProcess): Promise<void> {
  const deadline = performance.now() + 30_000;
  for (;;) {
    if (process.exitCode !== null) throw new Error(`${process.spawnargs.join(" ")} ended with ${process.exitCode}: see its log`);
    try {
      if ((await fetch(url)).ok) return;
    } catch {
      // not yet
    }
    if (performance.now() > deadline) throw new Error(`${url} did not answer within 30 s`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export async function ended(process: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (process.exitCode !== null || process.signalCode !== null) return;
  const exit = once(process, "exit");
  process.kill(signal);
  await exit;
}

/** Below the range that systems give to outgoing connections: one of those could take it while its server is away. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    const probe = createServer();
    const free = await new Promise<boolean>((resolve) => {
      probe.once("error", () => resolve(false));
      probe.listen(port, "127.0.0.1", () => resolve((probe.address() as AddressInfo).port === port));
    });
    if (free) {
      await new Promise((resolve) => probe.close(resolve));
      return port;
    }
  }
}
