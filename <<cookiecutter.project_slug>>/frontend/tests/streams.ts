/** A backend for tests: JSON by path, and streams that the test writes to. */

import { vi } from "vitest";

export class Backend {
  readonly asked: { readonly method: string; readonly path: string; readonly body: string }[] = [];
  readonly answers = new Map<string, (request: RequestInit) => Response>();
  health = (): Response => Response.json({ status: "ok", store: { name: "memory", degraded: null }, jobs: { workers: "inline", running: 0, degraded: null } });

  constructor() {
    vi.stubGlobal("fetch", this.#fetch);
  }

  /** Answers `path` with a stream; each request for it gets one of its own, which goes on after the event that it names. */
  stream(path: string, headers: Readonly<Record<string, string>> = {}): OpenStream[] {
    const opened: OpenStream[] = [];
    this.answers.set(path, (request) => {
      const stream = new OpenStream(request);
      opened.push(stream);
      return new Response(stream.body, { headers: { "content-type": "text/event-stream", ...headers } });
    });
    return opened;
  }

  requests(path: string): number {
    return this.asked.filter((request) => request.path === path).length;
  }

  readonly #fetch = async (input: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
    const { pathname, search } = new URL(input instanceof Request ? input.url : input, document.baseURI);
    const path = pathname + search;
    const body = init?.body instanceof Blob ? await init.body.text() : "";
    this.asked.push({ method: init?.method ?? "GET", path, body });
    if (path === "/healthz") return this.health();
    return this.answers.get(path)?.(init ?? {}) ?? Response.json({ error: "not found" }, { status: 404 });
  };
}

export class OpenStream {
  readonly body: ReadableStream<Uint8Array>;
  /** Whether the reader has left. */
  closed = false;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  #id: number;

  constructor({ signal, headers }: RequestInit) {
    this.#id = Number(new Headers(headers).get("last-event-id") ?? 0);
    this.body = new ReadableStream({
      start: (controller) => {
        this.#controller = controller;
      },
    });
    signal?.addEventListener("abort", () => {
      this.closed = true;
      this.#controller?.error(new DOMException("aborted", "AbortError"));
      this.#controller = undefined;
    });
  }

  send(event: Readonly<Record<string, unknown>>): void {
    this.#id += 1;
    this.#controller?.enqueue(new TextEncoder().encode(`id: ${this.#id}\ndata: ${JSON.stringify(event)}\n\n`));
    if (event.event === "done") this.#end();
  }

  /** The log is closed: so is the stream. */
  #end(): void {
    this.#controller?.close();
    this.#controller = undefined;
  }

  /** Breaks off, as a network does. */
  cut(): void {
    this.#controller?.error(new TypeError("network error"));
  }
}
