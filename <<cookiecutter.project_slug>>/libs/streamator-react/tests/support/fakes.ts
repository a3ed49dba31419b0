import { vi, type Mock } from "vitest";

/** One request of the code under test, and the functions that answer it. */
export interface FakeRequest {
  readonly url: string;
  readonly headers: Headers;
  readonly method: string;
  readonly body: unknown;
  readonly signal: AbortSignal;
  /** Answer 200 with an event stream that stays open. */
  open(headers?: Record<string, string>): void;
  /** After a last `done` the stream is ended, as by a server; not if there is `more` to come. */
  send(text: string, more?: boolean): void;
  /** End the stream cleanly. */
  end(): void;
  /** Break the stream, or refuse the connection. */
  drop(): void;
  status(status: number, headers?: Record<string, string>): void;
  json(value: unknown, status?: number): void;
  html(): void;
}

export interface FakeFetch {
  readonly requests: FakeRequest[];
  readonly fetch: Mock<typeof fetch>;
  last(): FakeRequest;
}

/** A text whose last event is `done`. */
const DONE = /^data: \{"event":"done".*\n\n$/m;

/** Replaces fetch with one that the test answers by hand. */
export function fakeFetch(): FakeFetch {
  const requests: FakeRequest[] = [];
  const encoder = new TextEncoder();
  const fetch = vi.fn<typeof globalThis.fetch>((input, init = {}) => {
    return new Promise<Response>((resolve, reject) => {
      let stream: ReadableStreamDefaultController<Uint8Array> | undefined;
      const signal = init.signal ?? new AbortController().signal;
      const broken = new TypeError("network error");
      signal.addEventListener("abort", () => {
        const aborted = new DOMException("aborted", "AbortError");
        reject(aborted);
        try {
          stream?.error(aborted);
        } catch {
          // the test had ended the stream already
        }
      });
      requests.push({
        url: String(input),
        headers: new Headers(init.headers),
        method: init.method ?? "GET",
        body: init.body,
        signal,
        open(more = {}) {
          const body = new ReadableStream<Uint8Array>({
            start(controller) {
              stream = controller;
            },
          });
          resolve(new Response(body, { headers: { "content-type": "text/event-stream; charset=utf-8", ...more } }));
        },
        send(text, more = false) {
          stream?.enqueue(encoder.encode(text));
          if (!more && DONE.test(text)) stream?.close();
        },
        end: () => stream?.close(),
        drop() {
          if (stream) stream.error(broken);
          else reject(broken);
        },
        status: (status, headers) => resolve(new Response(null, { status, headers })),
        json: (value, status = 200) => resolve(Response.json(value, { status })),
        html: () => resolve(new Response("<html></html>", { headers: { "content-type": "text/html" } })),
      });
    });
  });
  vi.stubGlobal("fetch", fetch);
  return {
    requests,
    fetch,
    last() {
      const request = requests.at(-1);
      if (!request) throw new Error("no request was made");
      return request;
    },
  };
}

/** An EventSource that the test drives; happy-dom has none. */
export class FakeEventSource extends EventTarget {
  static readonly made: FakeEventSource[] = [];
  readonly url: string;
  readyState = 0;

  constructor(url: string) {
    super();
    this.url = url;
    FakeEventSource.made.push(this);
  }

  close(): void {
    this.readyState = 2;
  }

  open(): void {
    this.readyState = 1;
    this.dispatchEvent(new Event("open"));
  }

  message(data: object, lastEventId = "", type = "message"): void {
    this.dispatchEvent(new MessageEvent(type, { data: JSON.stringify(data), lastEventId }));
  }

  /** CONNECTING after a broken stream, CLOSED after an answer that was refused. */
  fail(readyState: 0 | 2): void {
    this.readyState = readyState;
    this.dispatchEvent(new Event("error"));
  }
}

export function frame(id: number, event: object): string {
  return `id: ${id}\ndata: ${JSON.stringify(event)}\n\n`;
}

export function log(message: string, t = 0, level = "info"): { event: string; message: string; level: string; t: number } {
  return { event: "log", message, level, t };
}
