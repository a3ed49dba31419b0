import { cleanup, fireEvent, render, screen, waitFor, within } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { generateContentStream } from "../../src/generation/api";
import type { Run, RunParams } from "../../src/generation/api";
import { GeneratePage } from "../../src/generation/GeneratePage";
import { fileName } from "../../src/generation/RunCard";
import { readEvents, runBadge } from "../../src/generation/runView";
import { merge } from "../../src/generation/useRuns";

const PARAMS: RunParams = { text: "The text.", prompt: "summary", options: { provider: null, length: "standard" } };
const METADATA = { prompt: "summary", provider: "extractive", model: "m", words: 2, source_words: 9, attempts: 1, problems: [], seconds: 0.1, warnings: [], input_tokens: 1200, output_tokens: 300, price: 0.0081 };
const COMPLETE = { event: "complete", success: true, output: "## Key points\n\n- One.\n", metadata: METADATA };
const RUN: Run = {
  job_id: "a",
  title: "Summary of “The text.”",
  status: "completed",
  created_at: "2030-01-01T00:00:00Z",
  finished_at: null,
  error: null,
  prompt: "summary",
  provider: "extractive",
  words: 2,
};

function stream(events: readonly object[], first = 1): Response {
  const frames = events.map((event, index) => `id: ${first + index}\ndata: ${JSON.stringify(event)}\n\n`);
  return new Response(frames.join(""), { headers: { "content-type": "text/event-stream", "x-job-id": "a" } });
}

beforeEach(() => localStorage.clear());

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

describe("generateContentStream", () => {
  /** What the callbacks were told, and the requests that were sent. */
  async function told(answer: (url: string) => Response): Promise<{ calls: unknown[][]; asked: string[] }> {
    const calls: unknown[][] = [];
    const asked: string[] = [];
    vi.stubGlobal("fetch", async (url: string, init: RequestInit) => {
      const after = new Headers(init.headers).get("last-event-id");
      const body = init.body instanceof Blob ? ` ${init.body.type} ${await init.body.text()}` : "";
      asked.push(`${init.method} ${url}${body}${after === null ? "" : ` after ${after}`}`);
      return answer(url);
    });
    await new Promise<void>((resolve) => {
      const over =
        (name: string) =>
        (value: unknown): void => {
          calls.push([name, value]);
          resolve();
        };
      generateContentStream(PARAMS, {
        onJobId: (jobId) => calls.push(["jobId", jobId]),
        onProgress: ({ stage, progress }) => calls.push(["progress", stage, progress]),
        onDraft: (draft) => calls.push(["draft", draft]),
        onComplete: over("complete"),
        onError: over("error"),
      });
    });
    return { calls, asked };
  }

  it("tells of each stage, of the draft as it grows, and of the end", async () => {
    const { calls, asked } = await told(() =>
      stream([
        { event: "progress", stage: "generator", message: "Writing", progress: 30 },
        { event: "token", token: "On" },
        { event: "token", token: "e" },
        { event: "draft", draft: "One.\n" },
        COMPLETE,
        { event: "done", status: "completed" },
      ]),
    );
    expect(asked).toEqual([`POST api/run/stream application/json ${JSON.stringify(PARAMS)}`]);
    expect(calls).toEqual([
      ["jobId", "a"],
      ["progress", "generator", 30],
      ["draft", "On"],
      ["draft", "One"],
      ["draft", "One.\n"],
      ["complete", COMPLETE],
    ]);
  });

  it("goes on with the job's own stream where the first one breaks off", async () => {
    const { calls, asked } = await told((url) =>
      url === "api/run/stream"
        ? stream([{ event: "token", token: "One " }])
        : stream([{ event: "token", token: "two" }, COMPLETE, { event: "done", status: "completed" }], 2),
    );
    expect(asked[1]).toBe("GET api/log/a/stream after 1");
    expect(calls.filter(([name]) => name === "draft")).toEqual([["draft", "One "], ["draft", "One two"]]);
    expect(calls.at(-1)?.[0]).toBe("complete");
  });

  it.each([
    [[{ event: "error", message: "No such key." }, { event: "done", status: "failed" }], "No such key."],
    [[{ event: "done", status: "cancelled" }], "The run was cancelled."],
  ])("tells of an end without an output", async (events, message) => {
    const { calls } = await told(() => stream(events));
    expect(calls.at(-1)).toEqual(["error", message]);
  });

  it("tells why it was refused, in the server's words", async () => {
    const { calls } = await told(() => Response.json({ error: "8 jobs are running" }, { status: 429 }));
    expect(calls).toEqual([["error", expect.stringMatching(/^8 jobs are running/)]]);
  });

  it("tells what the model says to itself apart from the draft", async () => {
    vi.stubGlobal("fetch", async () =>
      stream([{ event: "reasoning", reasoning: "Let me " }, { event: "reasoning", reasoning: "think." }, { event: "token", token: "One." }, COMPLETE, { event: "done", status: "completed" }]),
    );
    const reasoning: string[] = [];
    const drafts: string[] = [];
    await generateContentStream(PARAMS, { onReasoning: (text) => reasoning.push(text), onDraft: (draft) => drafts.push(draft) });
    expect(reasoning).toEqual(["Let me ", "Let me think."]);
    expect(drafts).toEqual(["One."]);
  });

  it("can be awaited, and closed", async () => {
    const ends: string[] = [];
    vi.stubGlobal("fetch", async () => stream([COMPLETE, { event: "done", status: "completed" }]));
    await generateContentStream(PARAMS, { onComplete: () => ends.push("complete") });
    vi.stubGlobal("fetch", async () => Response.json({ error: "8 jobs are running" }, { status: 429 }));
    await generateContentStream(PARAMS, { onError: () => ends.push("error") });
    vi.stubGlobal("fetch", () => new Promise<Response>(() => undefined));
    const waiting = generateContentStream(PARAMS, { onError: () => ends.push("never") });
    waiting.close();
    await waiting;
    expect(ends).toEqual(["complete", "error"]);
  });

  it("shows every event in the console where DEBUG_STREAMING is set", async () => {
    const shown = vi.spyOn(console, "info").mockImplementation(() => undefined); // Chrome hides console.debug
    const events = [COMPLETE, { event: "done", status: "completed" }];
    await told(() => stream(events));
    expect(shown).not.toHaveBeenCalled();
    localStorage.setItem("DEBUG_STREAMING", "1");
    await told(() => stream(events));
    expect(shown.mock.calls.map(([, name]) => name)).toEqual(["complete", "done"]);
  });
});

describe("what a card shows", () => {
  it("is at the last stage that the run got to", () => {
    const at = (stage: string) => ({ event: "progress", stage });
    expect(readEvents([at("load_prompts"), at("generator")])).toEqual({ stage: "generator", retried: false, reasoning: "", complete: null });
    expect(readEvents([at("validator"), at("retry"), at("fail")])).toMatchObject({ stage: "retry", retried: true });
    const thought = { event: "reasoning", reasoning: "Hm" };
    expect(readEvents([thought, at("generator"), thought])).toMatchObject({ reasoning: "HmHm" });
    expect(readEvents([at("done"), COMPLETE])).toMatchObject({ stage: "done", complete: COMPLETE });
    expect(readEvents([at("retry"), thought, COMPLETE, { event: "attempt", attempt: 2 }])).toEqual({ stage: null, retried: false, reasoning: "", complete: null });
  });

  it.each([
    ["running", { state: "running", status: "open" }, "Live", true],
    ["running", { state: "running", status: "reconnecting" }, "Reconnecting", true],
    ["running", null, "Running", true],
    [null, { state: "starting", status: "connecting" }, "Starting", true],
    ["running", { state: "completed", status: "ended" }, "Completed", false], // the list is a moment behind
    ["failed", { state: "running", status: "connecting" }, "Failed", false],
    ["interrupted", null, "Interrupted", false],
    ["completed", { state: "lost", status: "failed" }, "Completed", false], // its log is not kept any more
  ] as const)("has one badge: %s, %o", (status, followed, text, running) => {
    expect(runBadge(status, followed)).toMatchObject({ text, running });
  });

  it("names files after the run", () => {
    expect(fileName("Summary of “The Sea, a tale”")).toBe("summary-of-the-sea-a-tale");
    expect(fileName("Briefing of “海”")).toBe("briefing-of-海");
    expect(fileName("“…”")).toBe("run");
  });
});

describe("the list", () => {
  it("keeps the card of a run that was started here when the server lists it", () => {
    const started = { key: "started-1", params: PARAMS, title: "Mine", jobId: null };
    expect(merge([RUN], [started]).map(({ key, jobId }) => [key, jobId])).toEqual([["started-1", null], ["a", "a"]]);
    expect(merge([RUN], [{ ...started, jobId: "b" }]).map(({ key }) => key)).toEqual(["started-1", "a"]);
    const [own] = merge([RUN], [{ ...started, jobId: "a" }]);
    expect(own).toMatchObject({ key: "started-1", run: RUN, params: PARAMS });
  });
});

describe("a run of a model", () => {
  function serve(complete: typeof COMPLETE): void {
    const events = [{ event: "reasoning", reasoning: "Let me think." }, { event: "progress", stage: "done", message: "Done", progress: 100 }, complete, { event: "done", status: "completed" }];
    vi.stubGlobal("fetch", async (url: string) => {
      if (url === "api/run/options") return Response.json({ prompts: [], providers: [], max_text: 20 });
      if (url.startsWith("api/runs?")) return Response.json({ runs: [RUN] });
      if (url === "api/runs/a") return Response.json({ ...RUN, length: "standard", text: "The text.", output: COMPLETE.output, metadata: METADATA });
      return stream(events);
    });
  }

  it("has its reasoning folded, and its tokens and price", async () => {
    serve(COMPLETE);
    render(<GeneratePage />);
    fireEvent.click(await screen.findByRole("button", { name: RUN.title }));
    const reasoning = await screen.findByText("Reasoning", { selector: "summary" });
    expect((reasoning.parentElement as HTMLDetailsElement).open).toBe(false);
    expect(reasoning.parentElement?.textContent).toContain("Let me think.");
    expect(await screen.findByText("1,200 in, 300 out")).toBeTruthy();
    expect(screen.getByText("0.0081")).toBeTruthy();
  });

  it("tells no tokens that its server has not counted", async () => {
    const { input_tokens: _, ...metadata } = METADATA;
    serve({ ...COMPLETE, metadata: metadata as typeof METADATA });
    render(<GeneratePage />);
    fireEvent.click(await screen.findByRole("button", { name: RUN.title }));
    expect(await screen.findByText("300 out")).toBeTruthy();
  });
});

describe("the page", () => {
  const OPTIONS = {
    prompts: [
      { name: "outline", title: "Outline", description: "Part by part." },
      { name: "summary", title: "Summary", description: "In short." },
    ],
    providers: [{ name: "extractive", title: "Built in", model: "m" }],
    max_text: 20,
  };
  let asked: { url: string; body: unknown }[];

  beforeEach(() => {
    asked = [];
    vi.stubGlobal("fetch", async (url: string, init: RequestInit = {}) => {
      if (init.method === "POST") asked.push({ url, body: init.body instanceof Blob ? JSON.parse(await init.body.text()) : null });
      if (url === "api/run/options") return Response.json(OPTIONS);
      if (url.startsWith("api/runs?")) return Response.json({ runs: asked.length > 0 ? [RUN] : [] });
      if (url === "api/runs/a") return Response.json({ ...RUN, length: "standard", text: "The text.", output: COMPLETE.output, metadata: METADATA });
      if (url === "api/run") return Response.json({ job_id: "a", success: true, output: COMPLETE.output, metadata: METADATA });
      return stream([{ event: "progress", stage: "done", message: "Done", progress: 100 }, COMPLETE, { event: "done", status: "completed" }]);
    });
  });

  async function generate(text: string): Promise<void> {
    await waitFor(() => expect(screen.getByRole("option", { name: "Summary" })).toBeTruthy());
    fireEvent.change(screen.getByLabelText("Text"), { target: { value: text } });
    fireEvent.click(screen.getByRole("button", { name: "Generate" }));
  }

  it("starts a run as it was asked for, and shows its output", async () => {
    render(<GeneratePage />);
    await generate("The text.");
    const card = await screen.findByRole("article", { name: "Summary of “The text.”" });
    await waitFor(() => expect(within(card).getByRole("region", { name: /^Output/ }).textContent).toContain("One."));
    expect(asked[0]).toEqual({
      url: "api/run/stream",
      body: { text: "The text.", prompt: "summary", options: { provider: "extractive", length: "standard" } },
    });
    await waitFor(() => expect(screen.getAllByRole("article")).toHaveLength(1)); // the server's list has it, too
  });

  it("can be asked for a run once it knows the prompts, and no click is lost before", async () => {
    render(<GeneratePage />);
    expect(screen.getByRole<HTMLButtonElement>("button", { name: "Generate" }).disabled).toBe(true);
    await screen.findByRole("option", { name: "Summary" });
    expect(screen.getByRole<HTMLButtonElement>("button", { name: "Generate" }).disabled).toBe(false);
  });

  it("asks for the whole result where streaming is off, and remembers that", async () => {
    render(<GeneratePage />);
    fireEvent.click(screen.getByRole("switch"));
    cleanup();
    render(<GeneratePage />);
    expect(screen.getByRole<HTMLInputElement>("switch").checked).toBe(false);
    await generate("The text.");
    await waitFor(() => expect(asked.map(({ url }) => url)).toEqual(["api/run"]));
    fireEvent.click(await screen.findByRole("button", { name: RUN.title }));
    await waitFor(() => expect(screen.getByRole("region", { name: /^Output/ }).textContent).toContain("One."));
  });

  it.each([
    ["  ", "There is no text yet. Paste one."],
    ["A text that is too long.", "The text has 24 characters, and the limit is 20. Shorten it."],
  ])("sends nothing that cannot be done: %j", async (text, complaint) => {
    render(<GeneratePage />);
    await generate(text);
    expect(screen.getByRole("alert").textContent).toBe(complaint);
    expect(asked).toEqual([]);
  });
});
