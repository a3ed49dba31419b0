import { SseParser } from "../sse.js";
import { ask, decodeEvent, drop, failure, reason, unsigned, withAfter, type AttemptEnd, type Sink, type Transport } from "./transport.js";

/** A burst gives the page its turn after this many milliseconds of work. */
const SLICE = 8;
/** Latin-1 without control characters, and without spaces around it, which are cut off. */
const FITS_HEADER = /^(?:[!-~\u00a1-\u00ff](?:[ -~\u00a0-\u00ff]*[!-~\u00a1-\u00ff])?)?$/;
/** Bytes that are read at once: the network hands out chunks of megabytes, too many for one slice. */
const PIECE = 65_536;

/**
 * Reads an event stream with fetch: any method and header, and statuses that EventSource hides.
 * Takes whole chunks (no promise per event), and yields to the page in a burst.
 */
export const fetchSse: Transport = async (request, sink, signal) => {
  const { url, method, credentials } = request;
  let headers: Headers;
  try {
    headers = await request.headers("text/event-stream");
  } catch (error) {
    return unsigned(error, url);
  }
  const cursor = request.cursor();
  const inUrl = request.cursorInUrl() || !FITS_HEADER.test(cursor);
  if (cursor !== "" && !inUrl) headers.set("last-event-id", cursor);
  const body = method === "GET" || method === "HEAD" ? null : (request.body() ?? null);
  const response = await ask(inUrl ? withAfter(url, cursor) : url, { method, headers, body, signal, credentials });
  if ("kind" in response) return response;
  const type = response.headers.get("content-type") ?? "no content type";
  if (!/^\s*text\/event-stream\s*(;|$)/i.test(type) || response.body === null) {
    drop(response);
    const message = `${url} answered ${type}, not text/event-stream: is it the stream's URL?`;
    return { kind: "error", error: { kind: "protocol", status: 200, message }, fatal: true };
  }
  sink.open(response);
  return read(response.body.getReader(), url, sink, signal);
};

async function read(reader: ReadableStreamDefaultReader<Uint8Array>, url: string, sink: Sink, signal: AbortSignal): Promise<AttemptEnd> {
  const parser = new SseParser();
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true }); // the parser takes the one BOM that may be there
  let sliceStart = performance.now();
  try {
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
  } catch (error) {
    return failure("network", `the stream from ${url} broke off: ${reason(error)}`);
  }
}

/** Lets the page handle input and paint. Not a timer: those wait a second each in a hidden tab. */
function pageTurn(): Promise<void> {
  return new Promise((resolve) => {
    if (typeof MessageChannel !== "function") {
      setTimeout(resolve); // jsdom, which is never hidden
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

/** Whether this browser's fetch can stream at all. */
export function canStream(): boolean {
  return typeof fetch === "function" && typeof ReadableStream === "function";
}
