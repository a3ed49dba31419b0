import { vi } from "vitest";
import type { StreamEvent } from "../../src/types.js";
import { frame } from "./fakes.js";

export interface LogServer {
  /** The streams, sockets and polls that were opened. */
  opened(): number;
  /** The streams and sockets that are held open. */
  held(): number;
}

const parts = (count: number, sizes: readonly number[]): [number, number][] => {
  const cut: [number, number][] = [];
  for (let start = 0, turn = 0; start < count; turn += 1) {
    const size = sizes[turn % sizes.length] ?? count;
    cut.push([start, Math.min(count, start + size)]);
    start += size;
  }
  return cut;
};

const turn = (): Promise<void> => new Promise((resolve) => {
  setTimeout(resolve);
});

/**
 * A server of one closed log, at every address, for fetch, EventSource, polls and WebSockets. It sends the events after the cursor,
 * in batches of these sizes, as streamator's server does.
 */
export function serveLog(events: readonly StreamEvent[], sizes: readonly number[]): LogServer {
  let opened = 0;
  const held = new Set<unknown>();

  vi.stubGlobal("fetch", (input: string, { headers: given, signal }: { headers: HeadersInit; signal: AbortSignal }): Promise<Response> => {
    const headers = new Headers(given);
    if (signal.aborted) return Promise.reject(new DOMException("aborted", "AbortError"));
    opened += 1;
    const after = Number(headers.get("last-event-id") ?? /[?&]after=(\d+)/.exec(input)?.[1] ?? 0);
    const rest = events.slice(after);
    const cut = parts(rest.length, sizes);
    if (headers.get("accept") === "application/json") {
      const end = after + (cut[0]?.[1] ?? 0);
      return Promise.resolve(Response.json({ logs: events.slice(after, end), next: end, closed: end === events.length }));
    }
    if (rest.length === 0) return Promise.resolve(new Response(null, { status: 204 }));
    held.add(signal);
    signal.addEventListener("abort", () => held.delete(signal));
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => signal.addEventListener("abort", () => controller.error(new DOMException("aborted", "AbortError"))),
      pull: async (controller) => {
        await turn();
        const part = cut.shift();
        if (signal.aborted) return;
        if (part === undefined) {
          controller.close();
          return;
        }
        const text = rest.slice(...part).map((event, index) => frame(after + part[0] + index + 1, event)).join("");
        controller.enqueue(new TextEncoder().encode(text));
      },
    });
    return Promise.resolve(new Response(body, { headers: { "content-type": "text/event-stream" } }));
  });

  class Socket extends EventTarget {
    #closed = false;

    constructor(url: string) {
      super();
      opened += 1;
      held.add(this);
      void this.#send(Number(/[?&]after=(\d+)/.exec(url)?.[1] ?? 0));
    }

    close(): void {
      this.#closed = true;
      held.delete(this);
    }

    async #send(after: number): Promise<void> {
      const rest = events.slice(after).map((event, index) => ({ id: after + index + 1, event }));
      const messages = [[], ...parts(rest.length, sizes).map((part) => rest.slice(...part))];
      for (const message of messages) {
        await turn();
        if (!this.#closed) this.dispatchEvent(Object.assign(new Event("message"), { data: JSON.stringify(message) }));
      }
      await turn();
      if (!this.#closed) this.dispatchEvent(Object.assign(new Event("close"), { code: 1000 }));
    }
  }
  vi.stubGlobal("WebSocket", Socket);

  class Source extends EventTarget {
    readyState = 0;

    constructor(url: string) {
      super();
      held.add(this);
      void this.#send(Number(/[?&]after=(\d+)/.exec(url)?.[1] ?? 0));
    }

    close(): void {
      this.readyState = 2;
      held.delete(this);
    }

    #tell(event: Event): void {
      if (this.readyState !== 2) this.dispatchEvent(event);
    }

    async #send(after: number): Promise<void> {
      const rest = events.slice(after);
      await turn();
      if (this.readyState === 2) return;
      if (rest.length === 0) {
        this.readyState = 2; // an answer of 204, which the next request is told
        this.dispatchEvent(new Event("error"));
        return;
      }
      opened += 1;
      this.readyState = 1;
      this.#tell(new Event("open"));
      for (const [start, end] of parts(rest.length, sizes)) {
        await turn();
        for (const [index, event] of rest.slice(start, end).entries()) {
          this.#tell(new MessageEvent("message", { data: JSON.stringify(event), lastEventId: String(after + start + index + 1) }));
        }
      }
      await turn();
      this.#tell(new Event("error")); // the server has closed the stream
    }
  }
  vi.stubGlobal("EventSource", Source);

  return { opened: () => opened, held: () => held.size };
}

export { turn };
