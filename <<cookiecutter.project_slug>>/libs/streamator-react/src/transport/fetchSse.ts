import { decodeEvent } from "./event.js";
import { have, refused } from "./registry.js";
import { SseParser } from "./sse.js";
import { headersOf, type AttemptEnd, type Sink, type Transport } from "./transport.js";

/** In a burst, the page gets a turn after this many milliseconds of work. */
const SLICE = 8;
/** Bytes decoded at once: the network delivers chunks of megabytes, too many for one slice. */
const PIECE = 65_536;

/**
 * Reads an event stream with fetch, with any method and headers. It sees the statuses that EventSource hides.
 * It handles whole chunks, without a promise for each event, and lets the page work during a burst.
 */
export const fetchSse: Transport = async (request, sink, signal) => {
  const { url, method, credentials, options } = request;
  const headers = await headersOf(options(), "text/event-stream", request.refused);
  const cursor = request.cursor();
  const from = cursor === "" ? url : (await have("recovery")).resumed(url, cursor, request.cursorInUrl, headers);
  const body = method === "GET" || method === "HEAD" ? null : options().body;
  const response = await fetch(from, { method, headers, body, signal, credentials, cache: "no-store" });
  if (response.status !== 200 || !/^\s*text\/event-stream\s*(;|$)/i.test(`${response.headers.get("content-type")}`) || !response.body) return refused(response, url);
  sink.open(response);
  return read(response.body.getReader(), sink, signal);
};

async function read(reader: ReadableStreamDefaultReader<Uint8Array>, sink: Sink, signal: AbortSignal): Promise<AttemptEnd> {
  const parser = new SseParser();
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true }); // the parser removes the BOM
  let sliceStart = performance.now();
  for (;;) {
    const { done, value } = await reader.read();
    if (done || signal.aborted) return { kind: "end" };
    sink.alive();
    for (let start = 0; start < value.length && !signal.aborted; start += PIECE) {
      const messages = parser.push(decoder.decode(value.subarray(start, start + PIECE), { stream: true }));
      if (parser.retry !== null) sink.retry(parser.retry);
      if (messages.length > 0) sink.events(messages.map(({ id, event, data }) => ({ id, event: decodeEvent(event, data) })));
      if (parser.lastId !== null) sink.seen(parser.lastId);
      if (performance.now() - sliceStart > SLICE) {
        await pageTurn();
        sliceStart = performance.now();
      }
    }
  }
}

/** Lets the page handle input and paint. No timer: in a hidden tab each takes a second. */
function pageTurn(): Promise<void> {
  return new Promise((resolve) => {
    if (typeof MessageChannel !== "function") {
      setTimeout(resolve); // jsdom has no MessageChannel
      return;
    }
    const { port1, port2 } = new MessageChannel();
    port1.addEventListener("message", () => {
      port1.close();
      resolve();
    });
    port1.start();
    port2.postMessage(null);
  });
}

/** Whether this browser's fetch can stream. */
export function canStream(): boolean {
  return typeof fetch === "function" && typeof ReadableStream === "function";
}
