/**
 * HTTP/1.1 browsers open six connections to an origin, for all tabs together. With six streams nothing else would ever
 * load, so at most four are held at a time. Each is a Web Lock, which the browser takes back when its tab dies.
 */

import { makeListening } from "../listening.js";
import { pageUrl } from "./transport.js";

const PLACES = 4;

/** What a place depends on of a page. */
export type Page = Partial<Pick<Window, "document" | "navigator" | "addEventListener" | "removeEventListener">>;

/** Gives a lock back; resolves when it is free. */
type Release = () => Promise<unknown>;
type Request = (name: string, options: LockOptions, callback: (lock: unknown) => unknown) => Promise<unknown>;

/**
 * Takes a place for a stream to `url`, until `signal` is aborted. `tell` is called with whether there is one.
 *
 * `waits`: the stream can do without, by polling. Then `tell` is called again with true once a place is free, with false
 * when this page is hidden and one in view wants the place, and with null when the page is left: one in the back/forward
 * cache may hold neither a connection nor a lock.
 */
export function holdPlace(url: string, waits: boolean, signal: AbortSignal, tell: (granted: boolean | null) => void, page: Page = globalThis): void {
  const request = requestOf(page);
  const prefix = `streamator ${pageUrl(url).origin} `;
  const names = Array.from({ length: PLACES }, (_, index) => `${prefix}${index}`);
  let place: Release | null = null;
  let told: boolean | null | undefined;
  let turn = new AbortController(); // what is waited for until something changes

  const say = (granted: boolean | null): void => {
    if (granted !== told) tell((told = granted));
  };

  const look = async (event?: Event): Promise<void> => {
    // A page that is left becomes hidden after that, and every load ends with a `pageshow`.
    if ((told === null) !== (event?.type === "pageshow")) return;
    turn.abort();
    const { signal: now } = (turn = new AbortController());
    const left = signal.aborted || event?.type === "pagehide";
    const hidden = waits && page.document?.visibilityState === "hidden";
    // A place of a hidden page is lent. Who steals this lock asks one page for it: the one that has been hidden longest.
    if (hidden && !left) {
      request(`${prefix}lent`, { signal: now }, () => aborted(now)).catch(() => {
        if (!now.aborted) void look();
      });
    }
    if (place && (hidden || left)) {
      const free = place();
      place = null;
      if (!left) await free; // and is taken by who waits for it, or else by us again
    }
    if (left && !signal.aborted) say(null);
    if (left || now.aborted) return;

    if (!place) {
      const taken = await take(request, names);
      if (now.aborted) return void taken?.();
      place = taken;
      say(taken !== null);
    }
    if (place || now.aborted || !waits) return;
    if (hidden) return turn.abort(); // a page that nobody looks at does not wait
    for (const name of names) {
      lock(request, name, { signal: now }).then(
        (taken) => {
          if (now.aborted) return void taken?.(); // a second one, granted in the same moment
          place = taken;
          say(true);
          void look(); // ends the wait for the others
        },
        () => undefined, // not waited for any more
      );
    }
    // One after another, or two would ask the same page.
    request(`${prefix}ask`, { signal: now }, () => request(`${prefix}lent`, { steal: true }, () => undefined)).catch(() => undefined);
  };

  const { on, stop } = makeListening();
  signal.addEventListener("abort", () => {
    stop();
    void look();
  });
  if (waits && page.document) {
    on(page.document, "visibilitychange", look);
    for (const event of ["pagehide", "pageshow"]) on(page as Window, event, look);
  }
  void look();
}

/** The first lock that is free; null where none is. */
async function take(request: Request, names: readonly string[]): Promise<Release | null> {
  for (const name of names) {
    const taken = await lock(request, name, { ifAvailable: true });
    if (taken) return taken;
  }
  return null;
}

/** Holds a lock until it is released; null where it is not available. Rejects when it is not waited for any more. */
function lock(request: Request, name: string, options: LockOptions): Promise<Release | null> {
  return new Promise((resolve, reject) => {
    const over = request(name, options, (granted) => granted && new Promise<void>((done) => resolve(() => (done(), over))));
    over.then(() => resolve(null), reject);
  });
}

function aborted(signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(null);
    signal.addEventListener("abort", resolve);
  });
}

/** Web Locks; where there are none (plain HTTP, a sandboxed frame) each page counts for itself. */
function requestOf({ navigator }: Page): Request {
  let { locks } = (navigator ?? {}) as { locks?: { request: Request } };
  return async (name, options, callback) => {
    try {
      if (locks) return await locks.request(name, options, callback);
    } catch (error) {
      if ((error as Error).name === "AbortError") throw error; // stolen, or not waited for any more
      locks = undefined; // there, but forbidden
    }
    return requestHere(name, options, callback);
  };
}

/** What is held in this page, each with those who wait for it. */
const held = new Map<string, Set<(value?: unknown) => void>>();

const requestHere: Request = async (name, { ifAvailable, signal }, callback) => {
  for (;;) {
    if (signal?.aborted) throw signal.reason;
    const waiting = held.get(name);
    if (!waiting) break;
    if (ifAvailable) return callback(null);
    await new Promise((wake) => {
      waiting.add(wake);
      signal?.addEventListener("abort", wake);
    });
  }
  const waiting = new Set<() => void>();
  held.set(name, waiting);
  try {
    return await callback(true);
  } finally {
    held.delete(name);
    for (const wake of waiting) wake();
  }
};
