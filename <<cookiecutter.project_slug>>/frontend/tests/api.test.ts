import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ApiError, explain, explainHere, request } from "../src/app/api";
import { backend } from "../src/app/backend";

function answerWith(status: number, body: string, type = "application/json"): void {
  const empty = status === 204;
  vi.stubGlobal("fetch", async () => new Response(empty ? null : body, { status, headers: { "content-type": type } }));
}

async function failureOf(promise: Promise<unknown>): Promise<ApiError> {
  const failure: unknown = await promise.then(
    () => null,
    (error: unknown) => error,
  );
  if (!(failure instanceof ApiError)) throw new Error(`expected an ApiError, got ${String(failure)}`);
  return failure;
}

beforeEach(() => backend.answered());
afterEach(() => vi.unstubAllGlobals());

describe("request", () => {
  it("gives the JSON of a good answer", async () => {
    answerWith(200, '{"jobs": []}');
    expect(await request("api/jobs")).toEqual({ jobs: [] });
  });

  it("asks below the page's <base>, as `backend` does: the app may be at a path of its host", async () => {
    const base = document.head.appendChild(document.createElement("base"));
    base.href = "/app/";
    const asked: string[] = [];
    vi.stubGlobal("fetch", async (path: string) => {
      asked.push(new URL(path, document.baseURI).pathname);
      return Response.json({ status: "ok", store: { name: "memory", degraded: null }, jobs: { workers: "inline", running: 0, degraded: null } });
    });
    try {
      await backend.check();
      await request("api/jobs");
    } finally {
      base.remove();
    }
    expect(asked).toEqual(["/app/healthz", "/app/api/jobs"]);
  });

  it("gives undefined for 204", async () => {
    answerWith(204, "");
    expect(await request("api/documents/1", { method: "DELETE" })).toBeUndefined();
  });

  it.each([
    [404, "not-found"],
    [413, "too-large"],
    [415, "bad-type"],
    [422, "invalid"],
    [429, "busy"],
    [500, "server"],
    [503, "server"],
  ])("turns the backend's %i into kind %s, with the backend's own sentence", async (status, kind) => {
    answerWith(status, '{"error": "What happened, the value, the fix."}');
    const failure = await failureOf(request("api/ingest"));
    expect(failure).toMatchObject({ kind, status, message: "What happened, the value, the fix." });
    expect(backend.getState().reach).toBe("up");
  });

  it("makes a sentence of what the backend says", async () => {
    answerWith(422, '{"error": "the form holds neither of file and url: send exactly one of them"}');
    expect((await failureOf(request("api/ingest"))).message).toBe(
      "The form holds neither of file and url: send exactly one of them.",
    );
  });

  it.each([404, 413, 415, 429, 500, 418])("has a sentence of its own for a %i without one", async (status) => {
    answerWith(status, "<html>proxy page</html>", "text/html");
    const failure = await failureOf(request("api/ingest"));
    expect(failure.status).toBe(status);
    expect(failure.message).toMatch(/\.$/);
    expect(failure.message).not.toContain("html>");
  });

  it.each([502, 503, 504])("takes a gateway's bare %i for a backend that is away", async (status) => {
    answerWith(status, "", "text/plain");
    expect((await failureOf(request("api/jobs"))).kind).toBe("offline");
    await vi.waitFor(() => expect(backend.getState().reach).toBe("down"));
  });

  it("takes a refused connection for a backend that is away, and any answer for its return", async () => {
    vi.stubGlobal("fetch", async () => {
      throw new TypeError("Failed to fetch");
    });
    const failure = await failureOf(request("api/jobs"));
    expect(failure).toMatchObject({ kind: "offline", status: 0 });
    expect(failure.message).toContain("does not answer");
    await vi.waitFor(() => expect(backend.getState().reach).toBe("down"));

    const { returns } = backend.getState();
    answerWith(200, "{}");
    await request("api/jobs");
    expect(backend.getState()).toMatchObject({ reach: "up", returns: returns + 1 });
  });

  it("does not take one broken connection for a backend that is away", async () => {
    vi.stubGlobal("fetch", async (path: string) => {
      if (path === "healthz") return Response.json({ status: "ok", store: { name: "memory", degraded: null }, jobs: { workers: "inline", running: 0, degraded: null } });
      throw new TypeError("Failed to fetch");
    });
    expect((await failureOf(request("api/jobs"))).kind).toBe("offline");
    expect(await backend.check()).toBe(true);
    expect(backend.getState().reach).toBe("up");
  });

  it("lets an abort through as it is, and does not blame the backend for it", async () => {
    const abort = new AbortController();
    vi.stubGlobal("fetch", async () => {
      abort.abort();
      throw abort.signal.reason;
    });
    await expect(request("api/jobs", { signal: abort.signal })).rejects.toHaveProperty("name", "AbortError");
    expect(backend.getState().reach).toBe("up");
  });

  it("says that another server may be on the port when a good answer is no JSON", async () => {
    answerWith(200, "<html></html>", "text/html");
    expect((await failureOf(request("api/jobs"))).message).toContain("another server");
  });
});

describe("explain", () => {
  it("leaves it to the banner to say that the backend is away", () => {
    expect(explainHere(new ApiError("offline", 0, "The backend does not answer."))).toBeNull();
    expect(explainHere(null)).toBeNull();
    expect(explainHere(new ApiError("server", 500, "It failed."))).toBe("It failed.");
  });

  it("gives an error's message, and words for what is no error", () => {
    expect(explain(new ApiError("busy", 429, "Too many."))).toBe("Too many.");
    expect(explain(undefined)).toMatch(/Reload the page/);
  });
});
