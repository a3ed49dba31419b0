/** Two web servers behind nginx and two workers, on machines that share no disk: see backend/tests/machines.py. */

import { spawn } from "node:child_process";
import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { createWriteStream } from "node:fs";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Interface } from "node:readline";
import { fileURLToPath } from "node:url";

const backend = fileURLToPath(new URL("../backend", import.meta.url));

export type Web = "web1" | "web2";
export type Worker = "worker1" | "worker2";

interface Told {
  readonly url: string;
  readonly addresses: Readonly<Record<Web | Worker, string>>;
}

export class Machines {
  /** Where the page is, at nginx. */
  readonly url: string;
  readonly addresses: Told["addresses"];
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #answers: AsyncIterator<string>;

  private constructor(process: ChildProcessWithoutNullStreams, answers: AsyncIterator<string>, told: Told) {
    this.#process = process;
    this.#answers = answers;
    this.url = told.url;
    this.addresses = told.addresses;
  }

  /** `folder`: takes what they write and print. */
  static async start(folder: string): Promise<Machines> {
    const log = join(folder, "machines.log");
    const process = spawn(globalThis.process.env.E2E_PYTHON || "python3", ["-m", "tests.machines", folder], { cwd: backend });
    process.stderr.pipe(createWriteStream(log, { flags: "a" }));
    const lines: Interface = createInterface({ input: process.stdout });
    const answers = lines[Symbol.asyncIterator]();
    const first = await answers.next();
    if (first.done === true) throw new Error(`the machines did not start: see ${log}`);
    return new Machines(process, answers, JSON.parse(first.value) as Told);
  }

  /** Where a server of the test's own is reached by all of them. */
  get host(): string {
    return new URL(this.url).hostname;
  }

  /** Does each of these, in turn: see backend/tests/machines.py. */
  async do(...orders: readonly string[]): Promise<void> {
    for (const order of orders) {
      this.#process.stdin.write(`${order}\n`);
      const answer = await this.#answers.next();
      if (answer.done === true) throw new Error(`the machines ended at "${order}": see machines.log`);
    }
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null) return;
    const exit = once(this.#process, "exit");
    this.#process.stdin.end();
    await exit;
  }
}
