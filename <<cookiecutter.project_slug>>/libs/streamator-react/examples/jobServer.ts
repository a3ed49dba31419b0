import type { IncomingMessage, ServerResponse } from "node:http";

/** One job: its events, each numbered by its place, and those who wait for more. */
interface Job {
  readonly events: string[];
  readonly waiting: Set<() => void>;
  over: boolean;
}

const jobs = new Map<string, Job>();

const WORDS = "A job writes what happens to it into a log, and whoever looks on reads from it as far as they have come.".split(" ");

/**
 * The routes of a streamator server, with jobs that write a sentence: `POST /jobs` starts one and gives its id,
 * `POST /run/stream` starts one and answers with its stream; `/job/{id}/stream`, `/result` and `/cancel`.
 */
export function answer(request: IncomingMessage, response: ServerResponse, next: () => void): void {
  const { pathname } = new URL(request.url ?? "/", "http://localhost");
  const [, id = "", route] = /^\/job\/([^/]+)\/(stream|result|cancel)$/.exec(pathname) ?? [];
  const job = jobs.get(id);
  if (request.method === "POST" && pathname === "/jobs") json(response, 202, { job_id: begin() });
  else if (request.method === "POST" && pathname === "/run/stream") stream(begin(), 0, response);
  else if (route === undefined) next();
  else if (job === undefined) json(response, 404, { error: "not found" });
  else if (route === "stream") stream(id, Number(request.headers["last-event-id"] ?? 0), response);
  else if (route === "result") json(response, job.over ? 200 : 404, { words: WORDS.length });
  else {
    end(job, "cancelled");
    json(response, 200, { cancelled: id });
  }
}

function begin(): string {
  const id = crypto.randomUUID();
  const job: Job = { events: [], waiting: new Set(), over: false };
  jobs.set(id, job);
  const startedAt = performance.now();
  emit(job, { event: "log", message: "Started", level: "info", t: 0 });
  let written = 0;
  const timer = setInterval(() => {
    if (!job.over && written < WORDS.length) {
      const t = Math.round(performance.now() - startedAt) / 1000;
      emit(job, { event: "token", token: `${WORDS[written]} `, t });
      written += 1;
      emit(job, { event: "progress", step: "write", message: `${written} of ${WORDS.length} words`, percent: (100 * written) / WORDS.length, t });
      return;
    }
    clearInterval(timer);
    end(job, "completed");
  }, 400);
  return id;
}

function end(job: Job, status: string): void {
  if (job.over) return;
  job.over = true;
  emit(job, { event: "done", status });
}

function emit(job: Job, event: object): void {
  job.events.push(JSON.stringify(event));
  for (const wake of job.waiting) wake();
}

function stream(id: string, after: number, response: ServerResponse): void {
  const job = jobs.get(id) as Job;
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache, no-transform", "x-job-id": id });
  response.write(": ok\n\n");
  let sent = after;
  const send = (): void => {
    for (; sent < job.events.length; sent += 1) response.write(`id: ${sent + 1}\ndata: ${job.events[sent]}\n\n`);
    if (job.over) response.end();
  };
  job.waiting.add(send);
  response.on("close", () => job.waiting.delete(send));
  send();
}

function json(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}
