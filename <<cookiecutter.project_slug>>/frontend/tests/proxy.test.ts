// @vitest-environment node
/** The development server's proxy, with a backend that is told what to send. */
import { createServer } from "node:http";
import type { Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { constants, createGzip } from "node:zlib";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { createServer as createVite } from "vite";
import type { ViteDevServer } from "vite";

let open: (response: ServerResponse) => void;
const backend = createServer((_request, response) => open(response));
let vite: ViteDevServer;
let origin: string;

beforeAll(async () => {
  await new Promise<void>((resolve) => {
    backend.listen(0, "127.0.0.1", resolve);
  });
  vi.stubEnv("BACKEND_HOST", "127.0.0.1");
  vi.stubEnv("BACKEND_PORT", String((backend.address() as AddressInfo).port));
  vite = await createVite({ root: join(import.meta.dirname, ".."), logLevel: "error", server: { port: 0 } });
  await vite.listen();
  origin = `http://127.0.0.1:${((vite.httpServer as Server).address() as AddressInfo).port}`;
}, 30_000);

afterAll(async () => {
  await vite.close();
  backend.closeAllConnections();
  backend.close();
  vi.unstubAllEnvs();
});

it.each([true, false])("each line of a stream arrives before the next is sent (compressed: %s)", async (compressed) => {
  let send: (text: string) => void = () => undefined;
  let end: () => void = () => undefined;
  open = (response) => {
    const headers = { "content-type": "text/event-stream", "cache-control": "no-cache, no-transform", ...(compressed ? { "content-encoding": "gzip" } : {}) };
    response.writeHead(200, headers);
    const gzip = createGzip({ flush: constants.Z_SYNC_FLUSH });
    if (compressed) gzip.pipe(response);
    const out = compressed ? gzip : response;
    send = (text) => void out.write(text);
    end = () => void out.end();
    send(": ok\n\n");
  };

  const response = await fetch(`${origin}/api/log/j/stream`);
  expect(response.headers.get("content-encoding")).toBe(compressed ? "gzip" : null);
  const reader = (response.body as ReadableStream<BufferSource>).pipeThrough(new TextDecoderStream()).getReader();
  const read = async (expected: string): Promise<void> => {
    let text = "";
    while (text.length < expected.length) {
      const { value, done } = await reader.read();
      if (done) break;
      text += value;
    }
    expect(text).toBe(expected);
  };
  await read(": ok\n\n");
  for (const line of ["one", "two", "three"]) {
    send(`data: ${line}\n\n`);
    await read(`data: ${line}\n\n`);
  }
  end();
  expect((await reader.read()).done).toBe(true);
}, 20_000);
