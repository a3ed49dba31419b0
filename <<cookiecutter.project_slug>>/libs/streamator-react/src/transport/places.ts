/**
 * Over HTTP/1.1 a browser opens six connections to an origin, for all tabs together. Six streams would block everything
 * else, so all tabs together hold at most four places. A place is a Web Lock: the browser frees it when its tab dies.
 */

import { listen } from "../listen.js";
import { pageUrl } from "./transport.js";

const PLACES = 4;

/** What places need of a page. */
export type Page = Partial<Pick<Window, "document" | "navigator" | "addEventListener" | "removeEventListener">>;

/** Releases a lock; resolves when it is free. */
type Release = () => Promise<unknown>;
type Request = (name: string, options: LockOptions, callback: (lock: unknown) => unknown) => Promise<unknown>;

/**
 * Takes a place for a stream to `url` until `signal` aborts. `tell` gets whether there is one.
 *
 * `waits`: without a place the stream polls. Then `tell` is called again: with true once a place is free, with false when
 * this page is hidden and a visible one needs the place, and with null when the user leaves the page. A page in the
 * back/forward cache may hold neither a connection nor a lock.
 */
export function holdPlace(url: string, waits: boolean, signal: AbortSignal, tell: (granted: boolean | null) => void, page: Page = globalThis): void {
  const request = requestOf(page);
  const prefix = `streamator ${pageUrl(url).origin} `;
  const names = Array.from({ length: PLACES }, (_, index) => `${prefix}${index}`);
  let place: Release | null = null;
  let told: boolean | null | undefined;
  let turn = new AbortController(); // ends all waits when something changes

  const say = (granted: boolean | null): void => {
    if (granted !== told) tell((told = granted));
  };

  const look = async (event?: Event): Promise<void> => {
    // After `pagehide` the page also becomes hidden: ignore all but the `pageshow`. Ignore that one at load.
    if ((told === null) !== (event?.type === "pageshow")) return;
    turn.abort();
    const { signal: now } = (turn = new AbortController());
    const left = signal.aborted || event?.type === "pagehide";
    const hidden = waits && page.document?.visibilityState === "hidden";
    // A hidden page offers its place: it queues for the lock `lent`, which the page that was hidden first holds. A visible
    // page that needs a place steals that lock. The page that loses it looks again and releases its place.
    if (hidden && !left) {
      request(`${prefix}lent`, { signal: now }, () => aborted(now)).catch(() => {
        if (!now.aborted) void look();
      });
    }
    if (place && (hidden || left)) {
      const free = place();
      place = null;
      if (!left) await free; // the next in line takes it, or we do again
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
    if (hidden) return turn.abort(); // a hidden page does not wait for a place
    for (const name of names) {
      lock(request, name, { signal: now }).then(
        (taken) => {
          if (now.aborted) return void taken?.(); // a second one in the same moment: release it
          place = taken;
          say(true);
          void look(); // ends the waits for the others
        },
        () => undefined, // the wait has ended
      );
    }
    // One page asks at a time, or two would steal from the same page.
    request(`${prefix}ask`, { signal: now }, () => request(`${prefix}lent`, { steal: true }, () => undefined)).catch(() => undefined);
  };

  const listening =
    waits && page.document ? [listen(page.document, "visibilitychange", look), listen(page as Window, "pagehide", look), listen(page as Window, "pageshow", look)] : [];
  signal.addEventListener("abort", () => {
    for (const leave of listening) leave();
    void look();
  });
  void look();
}

/** Takes the first lock that is free; null if none is. */
async function take(request: Request, names: readonly string[]): Promise<Release | null> {
  for (const name of names) {
    const taken = await lock(request, name, { ifAvailable: true });
    if (taken) return taken;
  }
  return null;
}

/** Takes a lock; null if it is not available. Rejects when the wait for it ends. */
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

/** Web Locks. Without them (plain HTTP, a sandboxed frame) each page counts its own streams only. */
function requestOf({ navigator }: Page): Request {
  let { locks } = (navigator ?? {}) as { locks?: { request: Request } };
  return async (name, options, callback) => {
    try {
      if (locks) return await locks.request(name, options, callback);
    } catch (error) {
      if ((error as Error).name === "AbortError") throw error; // stolen, or the wait has ended
      locks = undefined; // forbidden here
    }
    return requestHere(name, options, callback);
  };
}

/** The locks that this page holds without Web Locks, each with its waiters. */
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
