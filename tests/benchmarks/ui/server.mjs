// The server of the benchmark, a process of its own: the built page, and event streams of ready-made bytes.
import { createReadStream, existsSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join } from "node:path";
import { pipeline, Readable } from "node:stream";

const DIST = join(import.meta.dirname, "dist");
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css" };
const LEVELS = { 17: "success", 31: "warning", 97: "error" };
const TICK = 10;

/** Event `id` as it goes over the wire: about 120 bytes of message. `stamp` tells when it was sent. */
function frame(id, stamp) {
  const level = Object.entries(LEVELS).findLast(([every]) => id % Number(every) === 0)?.[1] ?? "info";
  const message = `line ${id} of the benchmark: fetched https://example.org/articles/${id % 977} in ${id % 61} ms and stored its text${stamp}`;
  return `id: ${id}\ndata: ${JSON.stringify({ event: "log", message, level, t: id / 1000 })}\n\n`;
}

/** So many characters as a program writes them that colours its words. */
const coloured = (length) => " \u001b[32mok\u001b[0m and on".repeat(length / 20);

const end = (id) => `id: ${id}\ndata: ${JSON.stringify({ event: "done", t: id / 1000, status: "completed" })}\n\n`;
const HEADERS = { "content-type": "text/event-stream", "cache-control": "no-cache, no-transform" };
const bursts = new Map();

function burst(count) {
  let chunks = bursts.get(count);
  if (chunks === undefined) {
    chunks = [];
    let text = "retry: 3000\n: ok\n\n";
    for (let id = 1; id <= count; id += 1) {
      text += frame(id, "");
      if (text.length > 65_536) {
        chunks.push(Buffer.from(text));
        text = "";
      }
    }
    chunks.push(Buffer.from(text + end(count + 1)));
    bursts.set(count, chunks);
  }
  return chunks;
}

function sendBurst(response, count) {
  pipeline(Readable.from(burst(count)), response, () => undefined); // a viewer that leaves is no fault
}

/** `first` lines at once, and the others once `wait` milliseconds have passed. */
function sendSteadily(response, count, rate, first, wait) {
  const start = performance.now() + wait;
  let sent = 0;
  response.write("retry: 3000\n: ok\n\n");
  while (sent < first) response.write(frame((sent += 1), ""));
  const timer = setInterval(() => {
    const due = Math.min(count, first + Math.floor(((performance.now() - start) / 1000) * rate));
    let text = "";
    while (sent < due) text += frame((sent += 1), ` @${Date.now()}`);
    if (text) response.write(text);
    if (sent < count) return;
    clearInterval(timer);
    response.end(end(count + 1));
  }, TICK);
  response.on("close", () => clearInterval(timer));
}

const server = createServer((request, response) => {
  const url = new URL(request.url, "http://localhost");
  if (url.pathname === "/stream") {
    const count = Number(url.searchParams.get("n"));
    const rate = Number(url.searchParams.get("rate"));
    const [first, wait, long, plain] = ["first", "wait", "long", "plain"].map((name) => Number(url.searchParams.get(name)));
    const after = Number(request.headers["last-event-id"] ?? 0);
    if (after > count) {
      response.writeHead(204).end(); // EventSource asks again after the end
      return;
    }
    response.writeHead(200, HEADERS);
    if (rate > 0) sendSteadily(response, count, rate, first, wait);
    else if (long > 0) response.end(frame(1, plain > 0 ? "plain text, and on. ".repeat(long / 20) : coloured(long)) + frame(2, "") + end(3));
    else sendBurst(response, count);
    return;
  }
  const path = join(DIST, url.pathname === "/" ? "index.html" : url.pathname);
  if (!path.startsWith(DIST) || !existsSync(path)) {
    response.writeHead(404).end();
    return;
  }
  response.writeHead(200, { "content-type": TYPES[extname(path)] ?? "application/octet-stream" });
  createReadStream(path).pipe(response);
});

server.listen(0, "127.0.0.1", () => {
  for (const count of process.argv.slice(2)) burst(Number(count)); // made before the clock runs
  process.send(server.address().port);
});
process.on("disconnect", () => process.exit());
