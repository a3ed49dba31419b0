import type { StreamMode } from "../types.js";
import { failure, reason, type AttemptEnd, type Transport } from "./transport.js";

// Modules that are loaded at first use, by the names of `streamator-react/recovery`, `/poll`, ...
const LOADERS = {
  recovery: () => import("./recovery.js"),
  eventsource: () => import("./eventSource.js"),
  poll: () => import("./poll.js"),
  ws: () => import("./webSocket.js"),
};

type Loaded = { [Name in keyof typeof LOADERS]: Awaited<ReturnType<(typeof LOADERS)[Name]>> };

/** What is loaded. A page that imports `streamator-react/poll` puts it here itself. */
export const loaded: Partial<Loaded> = {};

/** Loads a module unless it is loaded. Rejects with a message for the user; the next call tries again. */
export async function have<Name extends keyof Loaded>(name: Name): Promise<Loaded[Name]> {
  try {
    return (loaded[name] ??= (await LOADERS[name]()) as Loaded[Name]);
  } catch (error) {
    throw new Error(`${reason(error)}: import "streamator-react/${name}" once, into the page's own bundle`, { cause: error });
  }
}

/** The transport for a mode. `sse` is EventSource here, for browsers whose fetch cannot stream. */
export async function transportOf(mode: StreamMode): Promise<Transport> {
  return (await have(mode === "sse" ? "eventsource" : mode)).transport;
}

/** How an attempt ends whose answer is not the one it needs. */
export async function refused(response: Response, url: string): Promise<AttemptEnd> {
  const { status } = response;
  if (status === 204) return { kind: "closed" };
  try {
    return await (await have("recovery")).refusal(response, url);
  } catch (error) {
    return failure("network", `${url} answered ${status}: ${reason(error)}`, status);
  }
}
