/** A server that speaks OpenAI's protocol, whose drafts are written when the test says so. */

import { createServer } from "node:http";
import type { Server, ServerResponse } from "node:http";

/** A draft that a run has asked for. */
export class Writing {
  /** The conversation that it was asked with, as one text. */
  readonly asked: string;
  readonly #response: ServerResponse;

  constructor(asked: string, response: ServerResponse) {
    this.asked = asked;
    this.#response = response;
  }

  write(text: string): void {
    this.#send({ content: text }, null);
  }

  end(text = ""): void {
    if (text !== "") this.write(text);
    this.#send({}, "stop");
    this.#response.end("data: [DONE]\n\n");
  }

  /** Resolves when whoever asked has gone. */
  get left(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#response.destroyed) resolve();
      else this.#response.once("close", resolve);
    });
  }

  #send(delta: object, finish_reason: string | null): void {
    const chunk = { id: "c", object: "chat.completion.chunk", created: 1, model: "m", choices: [{ index: 0, delta, finish_reason }] };
    this.#response.write(`data: ${JSON.stringify(chunk)}\n\n`);
  }
}

export class Model {
  readonly #server: Server;
  readonly #writings: Writing[] = [];
  #waiting: ((writing: Writing) => void)[] = [];

  /** At the address that the backend was told (OPENAI_BASE_URL), where nobody else may be. */
  static async start(): Promise<Model> {
    const address = process.env.OPENAI_BASE_URL;
    if (!address) throw new Error("OPENAI_BASE_URL is not set, so the backend has no model to ask: run the tests by `make e2e`.");
    const model = new Model();
    await new Promise<void>((resolve, reject) => {
      model.#server.once("error", reject).listen(Number(new URL(address).port), "127.0.0.1", resolve);
    });
    return model;
  }

  private constructor() {
    this.#server = createServer((request, response) => {
      let body = "";
      request.setEncoding("utf8").on("data", (part: string) => (body += part));
      request.on("end", () => {
        const { messages } = JSON.parse(body) as { messages: { content: string }[] };
        response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
        const writing = new Writing(messages.map(({ content }) => content).join("\n"), response);
        const next = this.#waiting.shift();
        if (next) next(writing);
        else this.#writings.push(writing);
      });
    });
  }

  /** The next draft that is asked for. */
  next(): Promise<Writing> {
    const writing = this.#writings.shift();
    return writing ? Promise.resolve(writing) : new Promise((resolve) => this.#waiting.push(resolve));
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
