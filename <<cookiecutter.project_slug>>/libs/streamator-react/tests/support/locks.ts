import { holdPlace, type Page } from "../../src/transport/places.js";

interface Entry {
  readonly tab: object;
  readonly name: string;
  readonly callback: (lock: object | null) => unknown;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** The Web Locks of one origin, for all tabs. A request is answered in a task of its own, as by another process. */
export class FakeLocks {
  readonly #held = new Map<string, Entry>();
  #queue: Entry[] = [];

  /** What is held now, by name. */
  get held(): string[] {
    return [...this.#held.keys()].toSorted();
  }

  get waiting(): number {
    return this.#queue.length;
  }

  /** The `navigator.locks` of a tab. */
  of(tab: object): LockManager {
    const request = (name: string, { ifAvailable, steal, signal }: LockOptions, callback: Entry["callback"]): Promise<unknown> =>
      new Promise((resolve, reject) => {
        if (signal && (ifAvailable || steal)) throw new DOMException("a signal goes with neither ifAvailable nor steal", "NotSupportedError");
        if (signal?.aborted) throw signal.reason;
        const entry = { tab, name, callback, resolve, reject };
        setImmediate(() => {
          if (signal?.aborted) return;
          const holder = this.#held.get(name);
          if (steal && holder) {
            this.#held.delete(name);
            holder.reject(new DOMException("stolen", "AbortError"));
          }
          if (steal || (!holder && !this.#queue.some((other) => other.name === name))) this.#grant(entry);
          else if (ifAvailable) resolve(callback(null));
          else {
            this.#queue.push(entry);
            signal?.addEventListener("abort", () => {
              if (!this.#queue.includes(entry)) return;
              this.#queue = this.#queue.filter((other) => other !== entry);
              reject(signal.reason);
            });
          }
        });
        signal?.addEventListener("abort", () => {
          if (this.#held.get(name) !== entry) reject(signal.reason);
        });
      });
    return { request } as unknown as LockManager;
  }

  /** The tab dies: its locks are free. */
  died(tab: object): void {
    this.#queue = this.#queue.filter((entry) => entry.tab !== tab);
    for (const [name, entry] of this.#held) if (entry.tab === tab) this.#release(name, entry);
  }

  #grant(entry: Entry): void {
    this.#held.set(entry.name, entry);
    setImmediate(() => {
      void Promise.resolve(entry.callback({ name: entry.name })).then((value) => {
        entry.resolve(value);
        this.#release(entry.name, entry);
      });
    });
  }

  #release(name: string, entry: Entry): void {
    if (this.#held.get(name) !== entry) return;
    this.#held.delete(name);
    const next = this.#queue.find((other) => other.name === name);
    if (!next) return;
    this.#queue = this.#queue.filter((other) => other !== next);
    this.#grant(next);
  }
}

/** A stream that asks for a place, and what `holdPlace` told it, in order. */
export interface FakeStream {
  readonly waits: boolean;
  readonly told: (boolean | null)[];
  readonly end: () => void;
}

/** One of several tabs. It has no page. */
export class FakeTab extends EventTarget {
  readonly document = Object.assign(new EventTarget(), { visibilityState: "visible" });
  readonly streams: FakeStream[] = [];
  readonly page: Page;
  readonly #locks: FakeLocks;

  constructor(locks: FakeLocks, { hidden = false } = {}) {
    super();
    this.#locks = locks;
    if (hidden) this.document.visibilityState = "hidden";
    this.page = {
      document: this.document,
      navigator: { locks: locks.of(this) },
      addEventListener: this.addEventListener.bind(this),
      removeEventListener: this.removeEventListener.bind(this),
    } as unknown as Page;
  }

  stream({ waits = true, url = "http://app.test/log/1/stream" } = {}): FakeStream {
    const told: (boolean | null)[] = [];
    const controller = new AbortController();
    const stream = { waits, told, end: () => controller.abort() };
    this.streams.push(stream);
    holdPlace(url, waits, controller.signal, (granted) => told.push(granted), this.page);
    return stream;
  }

  show(visible: boolean): void {
    this.document.visibilityState = visible ? "visible" : "hidden";
    this.document.dispatchEvent(new Event("visibilitychange"));
  }

  leave(): void {
    this.dispatchEvent(new Event("pagehide"));
  }

  comeBack(): void {
    this.dispatchEvent(new Event("pageshow"));
  }

  die(): void {
    this.#locks.died(this);
    for (const { end } of this.streams) end();
  }
}

/** Waits until all requests for locks are answered. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 200; turn += 1) {
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
}
