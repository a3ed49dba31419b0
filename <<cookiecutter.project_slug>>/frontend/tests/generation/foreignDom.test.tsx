import { fireEvent, render, screen } from "@testing-library/react";
import { expect, it } from "vitest";
import { GeneratePage } from "../../src/generation/GeneratePage";
import { OTHERS, playTwice } from "../others";
import type { Step } from "../others";
import { Backend } from "../streams";

it.each(OTHERS)("with %s runs are refused, started, cancelled and seen to their ends", async (_, meddle) => {
  const steps = (): Step[] => {
    localStorage.clear();
    const backend = new Backend();
    const metadata = { prompt: "summary", provider: "extractive", model: "m", words: 2, source_words: 9, attempts: 1, problems: [], seconds: 0.1, warnings: [], input_tokens: 1200, output_tokens: 300, price: 0.0081 };
    const run = {
      job_id: "a", title: "Summary of “The text.”", status: "completed", created_at: new Date(900_000).toISOString(), finished_at: null, error: null,
      prompt: "summary", provider: "extractive", words: 2,
    };
    const runs = (count: number, news: object = {}): unknown =>
      backend.answers.set("/api/runs?limit=50", () => Response.json({ runs: Array.from({ length: count }, (__, index) => ({ ...run, job_id: "abcdefghijklmno"[index], ...(index === 0 ? news : {}) })) }));
    const busy = (): Response => Response.json({ error: "8 jobs are running" }, { status: 429 });
    const write = (text: string): unknown => fireEvent.change(screen.getByLabelText("Text"), { target: { value: text } });
    const press = (name: string): unknown => fireEvent.click(screen.getByRole("button", { name }));
    let streams: ReturnType<Backend["stream"]> = [];
    const tell = (...events: object[]): void => {
      for (const event of events) streams.at(-1)?.send({ ...event });
    };
    runs(0);
    backend.answers.set("/api/run/stream", busy);
    backend.answers.set("/api/runs/a", () => Response.json({ ...run, length: "standard", text: "The text.", output: "One.", metadata }));
    return [
      () => (render(<GeneratePage />), "No runs yet"),
      () => (
        backend.answers.set("/api/run/options", () =>
          Response.json({ prompts: [{ name: "summary", title: "Summary", description: "In short." }, { name: "outline", title: "Outline", description: "Part by part." }], providers: [{ name: "extractive", title: "Built in", model: "m" }, { name: "other", title: "Other", model: "n" }], max_text: 20 }),
        ),
        document.dispatchEvent(new Event("visibilitychange")),
        "In short."
      ),
      () => fireEvent.change(screen.getByLabelText("Prompt"), { target: { value: "outline" } }),
      () => press("Generate"),
      () => (write("A text that is too long."), "24 characters"),
      () => (write("A text that is longer still."), "28 characters"),
      () => (write("The text."), fireEvent.change(screen.getByLabelText("Prompt"), { target: { value: "summary" } })),
      () => (press("Generate"), "8 jobs are running"),
      () => {
        streams = backend.stream("/api/run/stream", { "x-job-id": "a" });
        press("Try again");
        return "Live";
      },
      () => (tell({ event: "progress", stage: "generator", message: "Writing", progress: 30 }), "Writing"),
      () => (tell({ event: "token", token: "On" }), "On"),
      () => (tell({ event: "token", token: "e." }), "One."),
      () => (tell({ event: "reasoning", reasoning: "Let me think." }), "Let me think."),
      () => (press("Cancel Summary of “The text.”"), "not found"),
      () => (runs(1), tell({ event: "progress", stage: "done", message: "Done", progress: 100 }, { event: "complete", success: true, output: "## Key *points*\n\n- One.\n", metadata }, { event: "done", status: "completed" }), "1,200 in, 300 out"),
      () => press("Summary of “The text.”"),
      () => (runs(12), document.dispatchEvent(new Event("visibilitychange")), "Show 2 older"),
      () => (runs(13, { words: 3 }), document.dispatchEvent(new Event("visibilitychange")), "Show 3 older"),
      () => press("Show 3 older"),
    ];
  };
  const [meddled, alone] = await playTwice(steps, meddle);
  expect(meddled).toEqual(alone);
});
