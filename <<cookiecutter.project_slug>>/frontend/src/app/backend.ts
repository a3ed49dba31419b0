/** Is the backend there? One answer for the whole page, kept up to date by every request and by a health check. */

import { useSyncExternalStore } from "react";
import type { Health } from "./schema";

export type { Health };

export interface BackendState {
  readonly reach: "unknown" | "up" | "down";
  /** The last health report; null before the first. */
  readonly health: Health | null;
  /** Grows each time the backend comes back. Whoever shows its data depends on it, and loads again. */
  readonly returns: number;
}

const WELL_MS = 10_000;
const AWAY_MS = 1_500;
/** A health report that takes longer is none. */
const LIMIT_MS = 5_000;

class Backend {
  #state: BackendState = { reach: "unknown", health: null, returns: 0 };
  readonly #listeners = new Set<() => void>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #check: AbortController | null = null;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    if (this.#listeners.size === 1) this.#start();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.#stop();
    };
  };

  readonly getState = (): BackendState => this.#state;

  /** Someone got an answer. */
  answered(): void {
    if (this.#state.reach === "up") return;
    const returns = this.#state.returns + (this.#state.reach === "down" ? 1 : 0);
    this.#publish({ ...this.#state, reach: "up", returns });
  }

  #silent(): void {
    if (this.#state.reach !== "down") this.#publish({ ...this.#state, reach: "down" });
  }

  /** Asks the backend now: for those who suspect that it is gone, after a broken stream or a request without an answer. Gives whether it is there. */
  readonly check = async (): Promise<boolean> => {
    this.#check?.abort();
    const check = new AbortController();
    this.#check = check;
    const limit = setTimeout(() => check.abort(), LIMIT_MS);
    let health: Health | null;
    try {
      const response = await fetch("healthz", { signal: check.signal, headers: { accept: "application/json" } });
      health = (await response.json()) as Health; // a proxy's error page is no JSON: the backend is away
    } catch {
      health = null;
    }
    clearTimeout(limit);
    if (this.#check === check) {
      if (health === null) this.#silent();
      else {
        this.answered();
        if (JSON.stringify(health) !== JSON.stringify(this.#state.health)) this.#publish({ ...this.#state, health });
      }
      if (this.#listeners.size > 0) this.#schedule();
    } // else a newer check has the say
    return health !== null;
  };

  #start(): void {
    globalThis.addEventListener?.("online", this.check);
    document.addEventListener("visibilitychange", this.#onVisible);
    void this.check();
  }

  #stop(): void {
    globalThis.removeEventListener?.("online", this.check);
    document.removeEventListener("visibilitychange", this.#onVisible);
    clearTimeout(this.#timer);
    this.#check?.abort();
    this.#check = null;
  }

  readonly #onVisible = (): void => {
    if (!document.hidden) void this.check();
  };

  #schedule(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(
      () => {
        if (document.hidden) return; // asked again when the page is looked at
        void this.check();
      },
      this.#state.reach === "up" ? WELL_MS : AWAY_MS,
    );
  }

  #publish(state: BackendState): void {
    this.#state = state;
    for (const listener of this.#listeners) listener();
  }
}

export const backend = new Backend();

export function useBackend(): BackendState {
  return useSyncExternalStore(backend.subscribe, backend.getState);
}
