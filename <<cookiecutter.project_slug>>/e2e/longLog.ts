/** The page's server with one job more, whose log is what the test says: thousands of lines at once, or one more. */

import { createServer, request as ask } from "node:http";
import type { Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

const JOB = {
  job_id: "a-long-log",
  kind: "ingest",
  source: "long.txt",
  status: "running",
  created_at: new Date().toISOString(),
  finished_at: null,
  document_id: null,
  error: null,
  step: null,
  percent: null,
  age_seconds: 0,
};

export class LongLog {
  readonly #server: Server;
  readonly #viewers = new Set<ServerResponse>();
  readonly #events: string[] = [];

  /** All but the job is answered by `target`. */
  static async before(target: string): Promise<LongLog> {
    const log = new LongLog(target);
    await new Promise<void>((resolve) => log.#server.listen(0, "127.0.0.1", resolve));
    return log;
  }

  private constructor(target: string) {
    this.#server = createServer((asked, response) => {
      const url = new URL(asked.url ?? "/", target);
      if (url.pathname === `/api/jobs/${JOB.job_id}`) {
        response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(JOB));
      } else if (url.pathname === `/api/log/${JOB.job_id}/stream`) {
        this.#viewers.add(response.on("close", () => this.#viewers.delete(response)));
        response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" }).write(`: ok\n\n${this.#events.join("")}`);
      } else {
        const onward = ask(url, { method: asked.method, headers: asked.headers }, (answer) => {
          response.writeHead(answer.statusCode ?? 502, answer.headers);
          answer.pipe(response);
        });
        asked.pipe(onward).on("error", () => response.destroy());
      }
    });
  }

  /** Where the page is that knows the job. */
  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The job's own page. */
  get url(): string {
    return `${this.origin}/#/jobs/${JOB.job_id}`;
  }

  log(...messages: readonly string[]): void {
    const start = this.#events.length;
    const events = messages.map((message, index) => {
      const id = start + index + 1;
      return `id: ${id}\ndata: ${JSON.stringify({ event: "log", message, level: "info", t: id / 1000 })}\n\n`;
    });
    this.#events.push(...events);
    for (const viewer of this.#viewers) viewer.write(events.join(""));
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
