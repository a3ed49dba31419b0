import { SseParser } from "../sse.js";
import { decodeEvent, failure, reason, refusal, resolveHeaders, sentenceOf, type AttemptEnd, type Sink, type Transport } from "./transport.js";

/** A burst gives the page its turn after this many milliseconds of work. */
const SLICE = 8;
/** Bytes that are read at once: the network hands out chunks of megabytes, too many for one slice. */
const PIECE = 65_536;

/**
 * Reads an event stream with fetch: any method and header, and statuses that EventSource hides.
 * Takes whole chunks (no promise per event), and yields to the page in a burst.
 */
export const fetchSse: Transport = async (request, sink, signal) => {
  const { url } = request;
  let response: Response;
  try {
    const headers = await resolveHeaders(request.headers());
    if (!headers.has("accept")) headers.set("accept", "text/event-stream");
    if (request.cursor() !== "") headers.set("last-event-id", request.cursor());
    const body = request.method === "GET" || request.method === "HEAD" ? null : (request.body() ?? null);
    response = await fetch(url, { method: request.method, headers, body, signal, credentials: request.credentials, cache: "no-store" });
  } catch (error) {
    return failure("network", `${url} cannot be reached: ${reason(error)}`);
  }
  if (response.status !== 200) {
    return refusal(response, url, await detailOf(response));
  }
  const type = response.headers.get("content-type") ?? "no content type";
  if (!/^\s*text\/event-stream\s*(;|$)/i.test(type) || response.body === null) {
    void response.body?.cancel().catch(() => undefined);
    const message = `${url} answered ${type}, not text/event-stream: is it the stream's URL?`;
    return { kind: "error", error: { kind: "protocol", status: 200, message }, fatal: true };
  }
  sink.open(response);
  return read(response.body.getReader(), url, sink, signal);
};

/** The sentence in an error's body. What is not JSON is not waited for. */
async function detailOf(response: Response): Promise<string | undefined> {
  if (!/json/i.test(response.headers.get("content-type") ?? "")) {
    void response.body?.cancel().catch(() => undefined); // already broken: nothing is left to cancel
    return undefined;
  }
  return sentenceOf(await response.json().catch(() => undefined));
}

async function read(reader: ReadableStreamDefaultReader<Uint8Array>, url: string, sink: Sink, signal: AbortSignal): Promise<AttemptEnd> {
  const parser = new SseParser();
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true }); // the parser takes the one BOM that may be there
  let retry: number | null = null;
  let seen: string | null = null;
  let sliceStart = performance.now();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done || signal.aborted) return { kind: "end" };
      sink.alive();
      for (let start = 0; start < value.length && !signal.aborted; start += PIECE) {
        const messages = parser.push(decoder.decode(value.subarray(start, start + PIECE), { stream: true }));
        if (parser.retry !== null && parser.retry !== retry) {
          retry = parser.retry;
          sink.retry(retry);
        }
        if (messages.length > 0) sink.events(messages.map(({ id, event, data }) => ({ id, event: decodeEvent(event, data) })));
        if (parser.lastId !== null && parser.lastId !== seen) {
          seen = parser.lastId;
          sink.seen(seen);
        }
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
  return typeof fetch === "function" && typeof ReadableStream === "function" && typeof TextDecoder === "function";
}
