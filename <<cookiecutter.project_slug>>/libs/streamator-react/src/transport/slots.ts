/**
 * HTTP/1.1 browsers open six connections to an origin. A page that holds all six open as streams can load nothing
 * more, so this page holds four; the streams beyond wait for a place, and poll until they have one.
 */

import { pageUrl } from "./transport.js";

const PLACES = 4;

const held = new Map<string, number>();
const waiting = new Map<string, Set<() => void>>();

export interface Slot {
  readonly granted: boolean;
  /** Give the place back, or stop waiting for one. */
  readonly release: () => void;
}

/** Takes a place for a stream to `url`'s origin. Where there is none, `onFree` is called once there may be. */
export function takeSlot(url: string, onFree: () => void): Slot {
  const origin = originOf(url);
  if (isMultiplexed(origin)) return { granted: true, release: () => undefined };

  const count = held.get(origin) ?? 0;
  if (count < PLACES) {
    held.set(origin, count + 1);
    let released = false;
    return {
      granted: true,
      release: () => {
        if (released) return;
        released = true;
        held.set(origin, (held.get(origin) ?? 1) - 1);
        const [first] = waiting.get(origin) ?? [];
        waiting.get(origin)?.delete(first as () => void);
        first?.();
      },
    };
  }
  const queue = waiting.get(origin) ?? new Set();
  waiting.set(origin, queue);
  queue.add(onFree);
  return { granted: false, release: () => void queue.delete(onFree) };
}

function originOf(url: string): string {
  return pageUrl(url).origin;
}

/** HTTP/2 and 3 carry any number of streams over one connection. Known only of the page's own origin. */
function isMultiplexed(origin: string): boolean {
  if (origin !== globalThis.location?.origin) return false;
  const [page] = performance.getEntriesByType?.("navigation") ?? [];
  return /^h[23]/.test((page as PerformanceNavigationTiming | undefined)?.nextHopProtocol ?? "");
}
