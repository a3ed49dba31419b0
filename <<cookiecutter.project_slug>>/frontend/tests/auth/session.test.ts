import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type * as Api from "../../src/app/api";
import type { signIn } from "../../src/auth/session";

/** A server that signs people in: one session, whose tokens hold for a while and whose cookie is the browser's affair. */
class Server {
  readonly asked: { path: string; authorization: string | null; body: Record<string, string> }[] = [];
  signedIn = true;
  away = false;
  expiresIn = 600;
  tokens = 0;
  answers: Record<string, () => Response> = {};

  readonly fetch = async (input: RequestInfo | URL, init: RequestInit = {}): Promise<Response> => {
    const path = new URL(input instanceof Request ? input.url : input, "http://localhost:3000").pathname;
    if (path === "/healthz") return Response.json({ status: "ok", store: { name: "memory", degraded: null }, jobs: { workers: "inline", running: 0, degraded: null } });
    if (this.away) throw new TypeError("Failed to fetch");
    const authorization = new Headers(init.headers).get("authorization");
    const body = typeof init.body === "string" ? (JSON.parse(init.body) as Record<string, string>) : {};
    this.asked.push({ path, authorization, body });
    if (path === "/api/auth/sign-out") return new Response(null, { status: 204 });
    if (path === "/api/auth/sign-in" && body.password !== "right") return Response.json({ error: "the name or the password is wrong" }, { status: 401 });
    if (path === "/api/auth/sign-in") this.signedIn = true;
    if (path.startsWith("/api/auth/") && !path.endsWith("tickets")) {
      if (!this.signedIn) return Response.json({ error: "nobody is signed in here" }, { status: 401 });
      this.tokens += 1;
      return Response.json({ token: `t${this.tokens}`, expires_in: this.expiresIn, user: { id: "1", name: "Ada" } });
    }
    if (authorization !== `Bearer t${this.tokens}`) return Response.json({ error: "sign in first" }, { status: 401 });
    if (path === "/api/auth/tickets") return new Response(null, { status: 204 });
    return this.answers[path]?.() ?? Response.json({ path });
  };

  paths(): string[] {
    return this.asked.map(({ path }) => path);
  }
}

let server: Server;
let api: typeof Api;
let session: typeof signIn;

/** The page is loaded: all that it kept in memory is gone. */
async function load(): Promise<void> {
  vi.resetModules();
  api = await import("../../src/app/api");
  session = (await import("../../src/auth/session")).signIn;
  (await import("../../src/app/session")).provideSession(session);
}

async function begun(): Promise<void> {
  session.begin();
  await vi.waitFor(() => expect(session.getUser()).not.toBeUndefined());
}

/** Those of a test's pages, which are closed with it. */
const channels: BroadcastChannel[] = [];

class PageChannel extends BroadcastChannel {
  constructor(name: string) {
    super(name);
    channels.push(this);
  }
}

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ["Date", "setTimeout", "clearTimeout"] });
  vi.stubGlobal("BroadcastChannel", PageChannel);
  localStorage.clear();
  server = new Server();
  vi.stubGlobal("fetch", server.fetch);
  await load();
});
afterEach(() => {
  for (const channel of channels.splice(0)) channel.close();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

function pass(seconds: number): Promise<unknown> {
  return vi.advanceTimersByTimeAsync(seconds * 1000);
}

describe("the session", () => {
  it("is found by its cookie, and goes with each request", async () => {
    await begun();
    expect(session.getUser()).toEqual({ id: "1", name: "Ada" });
    expect(await api.request("api/jobs")).toEqual({ path: "/api/jobs" });
    expect(server.asked.at(-1)).toMatchObject({ path: "/api/jobs", authorization: "Bearer t1" });
  });

  it("is nobody's where there is no cookie, and that is asked once", async () => {
    server.signedIn = false;
    await begun();
    expect(session.getUser()).toBeNull();
    expect(session.wasLost()).toBe(false);
    expect(await session.headers(true)).toEqual({});
    expect(server.paths()).toEqual(["/api/auth/refresh"]);
  });

  it("is asked for again where there was no answer", async () => {
    server.away = true;
    session.begin();
    await pass(0.1);
    expect(session.getUser()).toBeUndefined();
    server.away = false;
    await pass(2);
    expect(session.getUser()).toEqual({ id: "1", name: "Ada" });
  });

  it("begins and ends as the user says", async () => {
    server.signedIn = false;
    await begun();
    await expect(session.enter("Ada", "wrong")).rejects.toMatchObject({ kind: "signed-out", message: "The name or the password is wrong." });
    expect(session.getUser()).toBeNull();
    await session.enter("Ada", "right");
    expect(server.asked.at(-1)).toMatchObject({ path: "/api/auth/sign-in", authorization: null, body: { name: "Ada", password: "right" } });
    expect(session.getUser()).toEqual({ id: "1", name: "Ada" });
    await api.request("api/jobs");
    await session.leave();
    expect(session.getUser()).toBeNull();
    expect(session.wasLost()).toBe(false);
    await expect(api.request("api/jobs")).rejects.toMatchObject({ kind: "signed-out", status: 401 });
    expect(server.asked.at(-1)).toMatchObject({ path: "/api/jobs", authorization: null });
  });

  it("is the same in all tabs", async () => {
    await begun();
    const first = session;
    await load();
    const second = session;
    await begun();
    await first.leave();
    await vi.waitFor(() => expect(second.getUser()).toBeNull());
    expect(second.wasLost()).toBe(false);
    await second.enter("Ada", "right");
    await vi.waitFor(() => expect(first.getUser()).toEqual({ id: "1", name: "Ada" }));
    expect(await first.headers(false)).toEqual({ authorization: `Bearer t${server.tokens}` });
  });

  it("renews its token before the end, once for all who ask", async () => {
    await begun();
    const user = session.getUser();
    await pass(569);
    await api.request("api/jobs");
    expect(server.tokens).toBe(1);
    await pass(2);
    await Promise.all([api.request("api/a"), api.request("/api/b"), session.headers(false)]);
    expect(server.tokens).toBe(2);
    expect(server.asked.slice(-2).map(({ authorization }) => authorization)).toEqual(["Bearer t2", "Bearer t2"]);
    expect(session.getUser()).toBe(user);
  });

  it("gets another token for one that is refused, once, and sends the requests again", async () => {
    await begun();
    await pass(60);
    server.tokens = 7; // the server no longer takes what it gave
    const sent = [api.request("api/a", { method: "POST", body: "{}" }), api.request("/api/b")];
    expect(await Promise.all(sent)).toEqual([{ path: "/api/a" }, { path: "/api/b" }]);
    expect(server.tokens).toBe(8);
    expect(await session.headers(true)).toEqual({ authorization: "Bearer t8" });
    expect(server.tokens).toBe(8);
  });

  it("that has ended is told to the page", async () => {
    await begun();
    const changed = vi.fn<() => void>();
    session.subscribe(changed);
    await pass(60);
    server.signedIn = false;
    server.tokens = 7;
    await expect(api.request("api/jobs")).rejects.toMatchObject({ kind: "signed-out", status: 401 });
    expect(changed).toHaveBeenCalled();
    expect(session.getUser()).toBeNull();
    expect(session.wasLost()).toBe(true);
  });

  it("sends the same attempt again until it is answered, also after a reload", async () => {
    server.away = true;
    session.begin();
    await vi.waitFor(() => expect(localStorage.getItem("sign-in-attempt")).not.toBeNull());
    const attempt = localStorage.getItem("sign-in-attempt");
    await load();
    server.away = false;
    await begun();
    expect(server.asked.map(({ body }) => body)).toEqual([{ attempt }]);
    expect(localStorage.getItem("sign-in-attempt")).toBeNull();
    await pass(600);
    await api.request("api/jobs");
    expect(server.asked.filter(({ path }) => path === "/api/auth/refresh").at(-1)?.body.attempt).not.toBe(attempt);
  });

  it("holds where storage is blocked", async () => {
    vi.stubGlobal("localStorage", undefined);
    await begun();
    expect(session.getUser()).toEqual({ id: "1", name: "Ada" });
  });

  it("gets a ticket for a job's stream, and leaves its URL and others alone", async () => {
    const bought = (): (string | undefined)[] => server.asked.flatMap(({ path, body }) => (path === "/api/auth/tickets" ? [body.job_id] : []));
    expect(await session.signUrl("api/log/j1/stream")).toBe("api/log/j1/stream");
    expect(bought()).toEqual([]); // nobody yet
    await begun();
    expect(await session.signUrl("api/log/j%2F1/stream")).toBe("api/log/j%2F1/stream");
    expect(await session.signUrl("api/job/j1/stream?types=log")).toBe("api/job/j1/stream?types=log");
    expect(await session.signUrl("api/stats/stream")).toBe("api/stats/stream");
    expect(bought()).toEqual(["j/1", "j1"]);
  });

  it("fetches a file under the name that the server gives it", async () => {
    await begun();
    const file = (disposition: string) => () => new Response("text", { headers: { "content-disposition": disposition } });
    server.answers = {
      "/plain": file('attachment; filename="a b.txt"'),
      "/encoded": file("attachment; filename*=utf-8''gr%C3%B6%C3%9Fe.txt"),
      "/none": file("attachment"),
      "/gone": () => Response.json({ error: "not found" }, { status: 404 }),
    };
    const names = await Promise.all(["/plain", "/encoded", "/none"].map(async (path) => (await api.requestFile(path)).name));
    expect(names).toEqual(["a b.txt", "größe.txt", "download"]);
    await expect(api.requestFile("/gone")).rejects.toMatchObject({ kind: "not-found", message: "Not found." });
  });
});

describe("without sign-in", () => {
  it("requests go out as they are, once", async () => {
    vi.resetModules();
    api = await import("../../src/app/api");
    await expect(api.request("api/jobs")).rejects.toMatchObject({ kind: "signed-out" });
    expect(server.asked).toEqual([{ path: "/api/jobs", authorization: null, body: {} }]);
  });
});
