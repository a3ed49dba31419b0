/** What is loaded when it is first used. Each of these modules puts what it has in here. */

import { report } from "../store.js";
import type { StreamMode } from "../types.js";
import { canStream, fetchSse } from "./fetchSse.js";
import type { holdPlace } from "./places.js";
import { failure, reason, type Transport } from "./transport.js";

type Loaded = { [mode in Exclude<StreamMode, "sse">]: Transport } & { places: typeof holdPlace };

const loaded: Partial<Loaded> = {};

// The transports' are those of `streamator-react/poll` and so on.
const load = {
  eventsource: () => import("../eventsource.js"),
  places: () => import("./places.js"),
  poll: () => import("../poll.js"),
  ws: () => import("../ws.js"),
};

/** What is registered under a name is not loaded any more. */
export function register<Name extends keyof Loaded>(name: Name, what: Loaded[Name]): void {
  loaded[name] = what;
}

async function have<Name extends keyof Loaded>(name: Name): Promise<Loaded[Name]> {
  if (!loaded[name]) await load[name]();
  return loaded[name] as Loaded[Name];
}

/** What reads a mode. Only fetch is always there. */
export function transportOf(mode: StreamMode): Transport {
  if (mode === "sse" && canStream()) return fetchSse;
  const name = mode === "sse" ? "eventsource" : mode;
  return async (request, sink, signal) => {
    let transport: Transport;
    try {
      transport = await have(name);
    } catch (error) {
      return failure("network", `${reason(error)}: import "streamator-react/${name}" once, into the page's own bundle`);
    }
    return signal.aborted ? { kind: "end" } : transport(request, sink, signal);
  };
}

/** `holdPlace`, where connections are counted. One that cannot be counted is opened all the same. */
export async function takePlace(url: string, waits: boolean, signal: AbortSignal, tell: (granted: boolean | null) => void): Promise<void> {
  const hold = isMultiplexed(url) ? null : await have("places").catch(report);
  if (signal.aborted) return;
  if (hold) hold(url, waits, signal, tell);
  else tell(true);
}

/** HTTP/2 and 3 carry any number of streams over one connection. Known only of the page's own origin. Outside of browsers there is no limit. */
function isMultiplexed(url: string): boolean {
  const { location, document } = globalThis;
  if (!location) return true;
  const [page] = (performance.getEntriesByType?.("navigation") ?? []) as PerformanceNavigationTiming[];
  return new URL(url, document?.baseURI ?? location.href).origin === location.origin && /^h[23]/.test(`${page?.nextHopProtocol}`);
}
