/** The network between the browser and the page's server, to be cut and mended: an open stream breaks off, too. */

import { connect, createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import type { Page } from "@playwright/test";

export class Wire {
  readonly #page: Page;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #cut = false;

  /** A way from `page` to `target`, at `url`. Playwright's `setOffline` leaves open connections alone; this does not. */
  static async between(page: Page, target: string): Promise<Wire> {
    // Vite's client reloads a page whose socket was cut: it is not told.
    await page.routeWebSocket(/^ws:\/\/[^/]+\/\?token=/, (socket) => socket.connectToServer().onClose(() => undefined));
    const wire = new Wire(page, new URL(target));
    await new Promise<void>((resolve) => wire.#server.listen(0, "127.0.0.1", resolve));
    return wire;
  }

  private constructor(page: Page, { hostname, port }: URL) {
    this.#page = page;
    this.#server = createServer((near) => {
      if (this.#cut) {
        near.destroy();
        return;
      }
      const far = connect(Number(port), hostname);
      for (const [socket, other] of [[near, far], [far, near]] as const) {
        this.#sockets.add(socket);
        socket.on("error", () => undefined); // its end follows
        socket.on("close", () => {
          this.#sockets.delete(socket);
          other.destroy();
        });
        socket.pipe(other);
      }
    });
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  cut(): void {
    this.#cut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  /** As when a laptop is back in its network: the browser says so to the page. */
  async mend(): Promise<void> {
    this.#cut = false;
    await this.#page.evaluate(() => globalThis.dispatchEvent(new Event("online")));
  }

  async stop(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
