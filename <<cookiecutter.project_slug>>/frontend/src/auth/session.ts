/** Who has signed in, and the access token that goes with each request. */

import { ApiError, request, requestOpenly } from "../app/api";
import type { SignedIn } from "../app/schema";
import type { Session, User } from "../app/session";

/** A token is renewed so long before its end, and never later than after nine tenths of its time. */
const MARGIN_MS = 30_000;
/** Requests that were under way with the old token are refused for a moment after there is a new one. */
const SETTLE_MS = 2_000;
/** A refresh without an answer keeps the other tabs waiting no longer than this. */
const LIMIT_MS = 10_000;
const RETRY_MS = 2_000;
const ATTEMPT_KEY = "sign-in-attempt";

/**
 * The session of this browser. The access token is kept in memory alone; what outlives a reload is a cookie that no
 * script can read, and that gets the next token.
 */
class SignInSession implements Session {
  #user: User | null | undefined;
  /** Somebody had signed in, and was signed out without asking for it. */
  #lost = false;
  #token: { readonly value: string; readonly since: number; readonly until: number } | null = null;
  #refreshing: Promise<void> | null = null;
  readonly #listeners = new Set<() => void>();
  /** To the other tabs: they share the cookie. */
  readonly #tabs = typeof BroadcastChannel === "function" ? new BroadcastChannel("sign-in") : null;

  constructor() {
    this.#tabs?.addEventListener("message", ({ data }: MessageEvent<string | null>) => {
      if (data === null) this.#accept(null);
      else if (data !== this.#user?.id) this.#renew().catch(later);
    });
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly getUser = (): User | null | undefined => this.#user;

  readonly wasLost = (): boolean => this.#lost;

  readonly begin = (): void => {
    if (this.#user === undefined) this.#renew().catch(() => setTimeout(this.begin, RETRY_MS));
  };

  /** Signs in; rejects with an ApiError where the server refuses. */
  readonly enter = async (name: string, password: string): Promise<void> => {
    const signedIn = await alone(() => requestOpenly<SignedIn>("api/auth/sign-in", post({ name, password })));
    this.#accept(signedIn);
    this.#tabs?.postMessage(signedIn.user.id);
  };

  /** Signs out, here and in all tabs; rejects where the server was not reached, and the session lives on. */
  readonly leave = async (): Promise<void> => {
    await alone(() => requestOpenly("api/auth/sign-out", { method: "POST" }));
    this.#accept(null);
    this.#tabs?.postMessage(null);
  };

  readonly headers = async (refused: boolean): Promise<Readonly<Record<string, string>>> => {
    const now = Date.now();
    const { since = 0, until = 0 } = this.#token ?? {};
    const stale = now >= until || (refused && now - since > SETTLE_MS);
    // Until it is known that people sign in, a request is sent as it is, and its refusal tells.
    if (stale && this.#user !== null && (this.#user !== undefined || refused || this.#refreshing)) await this.#renew();
    return this.#token === null ? {} : { authorization: `Bearer ${this.#token.value}` };
  };

  readonly signUrl = async (url: string): Promise<string> => {
    const [, job] = /\bapi\/(?:log|job)\/([^/]+)\/stream/.exec(url) ?? [];
    if (!this.#user || job === undefined) return url;
    // A cookie, for this job's streams alone: what is in a URL is in logs.
    await request("api/auth/tickets", post({ job_id: decodeURIComponent(job) }));
    return url;
  };

  /** Gets the next token, once for all who want it. Rejects where there was no answer. */
  #renew(): Promise<void> {
    this.#refreshing ??= alone(refresh)
      .then((signedIn) => {
        this.#lost = signedIn === null && Boolean(this.#user);
        this.#accept(signedIn);
      })
      .finally(() => {
        this.#refreshing = null;
      });
    return this.#refreshing;
  }

  #accept(signedIn: SignedIn | null): void {
    const now = Date.now();
    if (signedIn === null) {
      this.#user = this.#token = null;
    } else {
      const milliseconds = signedIn.expires_in * 1000;
      this.#token = { value: signedIn.token, since: now, until: now + milliseconds - Math.min(MARGIN_MS, milliseconds / 10) };
      const { id, name } = signedIn.user;
      if (this.#user?.id !== id || this.#user.name !== name) this.#user = { id, name };
    }
    for (const listener of this.#listeners) listener();
  }
}

export const signIn = new SignInSession();

/**
 * Exchanges the cookie for the next token; null where nobody is signed in.
 *
 * The cookie is good for one use. When the answer is lost, with the network or a reload, the same attempt is sent
 * again, and gets the same answer: so its name is remembered until there is one.
 */
async function refresh(): Promise<SignedIn | null> {
  const attempt = rememberedAttempt() ?? crypto.getRandomValues(new Uint32Array(4)).join("-");
  rememberAttempt(attempt);
  const signal = AbortSignal.timeout(LIMIT_MS);
  try {
    const signedIn = await requestOpenly<SignedIn>("api/auth/refresh", { ...post({ attempt }), signal });
    rememberAttempt(null);
    return signedIn;
  } catch (error) {
    if (signal.aborted) throw new ApiError("offline", 0, "The backend does not answer. Check that it is running, then try again.");
    if (!(error instanceof ApiError) || error.kind !== "signed-out") throw error;
    rememberAttempt(null);
    return null;
  }
}

let attemptHere: string | null = null;

function rememberedAttempt(): string | null {
  try {
    return localStorage.getItem(ATTEMPT_KEY);
  } catch {
    return attemptHere; // storage is blocked: remembered as long as the page is there
  }
}

function rememberAttempt(attempt: string | null): void {
  attemptHere = attempt;
  try {
    if (attempt === null) localStorage.removeItem(ATTEMPT_KEY);
    else localStorage.setItem(ATTEMPT_KEY, attempt);
  } catch {
    // the same
  }
}

/** One request after another, over all tabs: each comes with the cookie that the one before it has got. */
function alone<T>(work: () => Promise<T>): Promise<T> {
  return navigator.locks ? navigator.locks.request("sign-in", work) : work();
}

function post(body: object): RequestInit {
  return { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json" } };
}

/** No answer: the banner says so, and the next request asks again. */
function later(): void {}
