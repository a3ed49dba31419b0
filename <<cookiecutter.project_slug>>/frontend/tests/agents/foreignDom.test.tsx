import { fireEvent, render, screen } from "@testing-library/react";
import { expect, it, vi } from "vitest";
import { AgentsPage } from "../../src/agents/AgentsPage";
import { OTHERS, playTwice } from "../others";
import type { Step } from "../others";
import { Backend } from "../streams";

it.each(OTHERS)("with %s agents are seen at work, and what they find changes", async (_, meddle) => {
  const steps = (): Step[] => {
    const backend = new Backend();
    const found = {
      document_id: "d1", title: "On bridges", tags: ["cables"], summary: ["It hangs."], related: [{ document_id: "d2", title: "On towers" }],
      work: [{ agent_name: "indexer", status: "failed", finished_at: new Date(900_000).toISOString() }],
    };
    const findings = (documents: readonly object[], total = documents.length): unknown =>
      backend.answers.set("/api/agents/findings?limit=100", () => Response.json({ documents, total }));
    const run = (run_id: string | null): unknown => backend.answers.set("/api/agents", () => Response.json({ agents: [], run_id, now: new Date().toISOString() }));
    const streams = backend.stream("/api/agents/stream?run=r1");
    const report = (event: string, status: string, message: string): unknown =>
      streams.at(-1)?.send({ stream: "agent", source_id: "d1", event, timestamp: new Date().toISOString(), payload: { agent_name: "tagger", status, message, progress: 30 } });
    run(null);
    return [
      () => (render(<AgentsPage route="/agents" params={{}} />), "Not found"),
      () => (findings([]), document.dispatchEvent(new Event("visibilitychange")), "Nothing yet"),
      () => (run("r1"), "Live"),
      () => (report("heartbeat", "waiting", "Waiting for documents"), "Waiting for documents"),
      () => (report("activity_updated", "running", "Counting"), "Counting"),
      () => (findings([found], 230), report("activity_completed", "completed", "Counted"), "The latest 1 are listed"),
      () => (findings([{ ...found, related: [{ document_id: "d3", title: "On cables" }, ...found.related], summary: ["It", "hangs."] }], 231), report("activity_completed", "completed", "Again"), "On cables, On towers"),
      () => (findings([{ ...found, work: ["tagger", "indexer"].map((agent_name) => ({ ...found.work[0], agent_name })) }], 2), report("activity_completed", "completed", "More"), "Gave up: Tagger, Indexer"),
      () => (fireEvent.click(screen.getByRole("button", { name: /^Work on/ })), "Not found"),
      () => void vi.advanceTimersByTime(60_000), // nobody is heard
      () => fireEvent.change(screen.getByLabelText("Agent"), { target: { value: "tagger" } }),
      () => (findings([]), fireEvent.change(screen.getByLabelText("Agent"), { target: { value: "" } }), document.dispatchEvent(new Event("visibilitychange")), "Nothing yet"),
    ];
  };
  const [meddled, alone] = await playTwice(steps, meddle);
  expect(meddled).toEqual(alone);
});
