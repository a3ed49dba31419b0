/** A web server of the test's own, whose documents arrive when the test says so. */

import { once } from "node:events";
import { createServer } from "node:http";
import type { Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Served {
  readonly url: string;
  /** The path as the page names it. */
  readonly name: string;
  /** Sends some of the document to whoever asked last, once somebody has; to nobody, if that one is gone. Who asks later gets it all. */
  write(chunk: string | Buffer): Promise<void>;
  /** Sends the last of it. */
  end(chunk?: string | Buffer): Promise<void>;
}

export class Source {
  readonly #server: Server;
  readonly #waiting = new Map<string, (response: ServerResponse) => void>();
  readonly #types = new Map<string, string>();

  private constructor(server: Server) {
    this.#server = server;
  }

  /** `host`: the address of this machine that it listens on. */
  static async start(host = "127.0.0.1"): Promise<Source> {
    const server = createServer();
    const source = new Source(server);
    server.on("request", (request, response) => {
      const path = request.url ?? "/";
      const arrived = source.#waiting.get(path);
      if (arrived === undefined) {
        response.writeHead(404).end("no such document");
        return;
      }
      response.writeHead(200, { "content-type": source.#types.get(path) });
      response.flushHeaders();
      arrived(response);
    });
    await new Promise<void>((resolve) => server.listen(0, host, resolve));
    return source;
  }

  /** A document at `/name` that begins when it is asked for, and goes on as the test writes it. */
  serve(name: string, type = "text/plain; charset=utf-8"): Served {
    const path = `/${name}`;
    this.#types.set(path, type);
    const chunks: (string | Buffer)[] = [];
    let ended = false;
    let to: { response: ServerResponse; gone: Promise<unknown> } | undefined;
    const asked = new Promise<void>((resolve) =>
      this.#waiting.set(path, (response) => {
        // Whoever asked may be killed: what is written then goes nowhere, and nothing tells of it but the close.
        to = { response, gone: once(response.on("error", () => {}), "close") };
        for (const chunk of chunks) response.write(chunk);
        if (ended) response.end();
        resolve();
      }),
    );
    const send = async (chunk: string | Buffer, last: boolean): Promise<void> => {
      await asked;
      chunks.push(chunk);
      ended = last;
      const { response, gone } = to!;
      const sent = new Promise<void>((resolve) => {
        if (last) response.end(chunk, resolve);
        else response.write(chunk, () => resolve());
      });
      await Promise.race([sent, gone]);
    };
    return {
      url: this.origin + path,
      name: new URL(this.origin).host + path,
      write: (chunk) => send(chunk, false),
      end: (chunk = "") => send(chunk, true),
    };
  }

  get origin(): string {
    const { address, port } = this.#server.address() as AddressInfo;
    return `http://${address}:${port}`;
  }

  /** Breaks off what is still being sent. */
  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** About `bytes` bytes of plain text that no other call gives. From the hundredth line on it is blank: megabytes that are read at once. */
export function prose(bytes: number): string {
  const line = `${crypto.randomUUID()} the quick brown fox jumps over the lazy dog\n`;
  return line.repeat(Math.min(100, Math.ceil(bytes / line.length))).padEnd(bytes, "\n");
}

/** A PDF with a page for each text: the smallest file that is one, of ASCII letters only. */
export function pdf(title: string, pages: readonly string[]): Buffer {
  const objects = [
    dictionary("/Type /Catalog /Pages 2 0 R"),
    dictionary(`/Type /Pages /Kids [${pages.map((_, index) => `${4 + index * 2} 0 R`).join(" ")}] /Count ${pages.length}`),
    dictionary("/Type /Font /Subtype /Type1 /BaseFont /Helvetica"),
  ];
  for (const [index, text] of pages.entries()) {
    const lines = text.split("\n").map((line) => `${literal(line)} Tj T*`);
    const content = `BT /F1 11 Tf 14 TL 56 780 Td\n${lines.join("\n")}\nET`;
    const resources = dictionary(`/Font ${dictionary("/F1 3 0 R")}`);
    objects.push(
      dictionary(`/Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources ${resources} /Contents ${5 + index * 2} 0 R`),
      `${dictionary(`/Length ${content.length}`)}\nstream\n${content}\nendstream`,
    );
  }
  objects.push(dictionary(`/Title ${literal(title)}`));

  let file = "%PDF-1.4\n";
  let table = "0000000000 65535 f \n";
  for (const [index, object] of objects.entries()) {
    table += `${String(file.length).padStart(10, "0")} 00000 n \n`;
    file += `${index + 1} 0 obj\n${object}\nendobj\n`;
  }
  const trailer = dictionary(`/Size ${objects.length + 1} /Root 1 0 R /Info ${objects.length} 0 R`);
  return Buffer.from(
    `${file}xref\n0 ${objects.length + 1}\n${table}trailer\n${trailer}\nstartxref\n${file.length}\n%%EOF\n`,
    "latin1",
  );
}

function dictionary(entries: string): string {
  return `${"<".repeat(2)} ${entries} >>`;
}

function literal(text: string): string {
  return `(${text.replace(/[\\()]/g, "\\$&")})`;
}
