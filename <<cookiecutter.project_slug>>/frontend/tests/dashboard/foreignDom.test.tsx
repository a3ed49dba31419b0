import { fireEvent, render, screen } from "@testing-library/react";
import { expect, it } from "vitest";
import { DashboardPage } from "../../src/dashboard/DashboardPage";
import { OTHERS, playTwice } from "../others";
import type { Step } from "../others";
import { Backend } from "../streams";

it.each(OTHERS)("with %s jobs come, go on, are cancelled and end", async (_, meddle) => {
  const steps = (): Step[] => {
    const backend = new Backend();
    const quiet = { event: "stats", processing_count: 0, completed: 4, failed: 1, cancelled: 2, rate_per_minute: 3, jobs: [], t: 0 };
    const running = { job_id: "a1", kind: "ingest", source: "notes.md", step: "checking_cache", percent: 12.5, age_seconds: 61 };
    const ended = {
      job_id: "b2", kind: "generation", source: "A text", status: "failed", created_at: new Date(900_000).toISOString(), finished_at: new Date(902_000).toISOString(),
      document_id: null, error: "It broke.", partial: null, step: null, percent: null, age_seconds: null,
    };
    const past = (count: number): unknown =>
      backend.answers.set("/api/jobs?limit=50", () => Response.json({ jobs: Array.from({ length: count }, (__, index) => ({ ...ended, job_id: `b${index}` })) }));
    const stats = backend.stream("/api/stats/stream");
    const logs = backend.stream("/api/log/a1/stream");
    const tell = (news: object): unknown => stats.at(-1)?.send({ ...quiet, ...news });
    past(0);
    return [
      () => (render(<DashboardPage />), "No job has ended yet"),
      () => (tell({}), "Nothing runs now"),
      () => (past(12), tell({ processing_count: 1, completed: 5, jobs: [running] }), "Show 2 older"),
      () => (past(13), tell({ processing_count: 1, completed: 6, jobs: [{ ...running, step: "fetching", percent: 20 }] }), "Show 3 older"),
      () => (fireEvent.click(screen.getByRole("button", { name: "Cancel notes.md" })), "Not found"),
      () => (backend.answers.set("/api/job/a1/cancel", () => Response.json({}, { status: 202 })), fireEvent.click(screen.getByRole("button", { name: "Cancel notes.md" })), "Cancelling"),
      () => fireEvent.click(screen.getByRole("button", { name: "notes.md" })),
      () => (logs.at(-1)?.send({ event: "log", message: "Checking", level: "info", t: 0.1 }), "Checking"),
      () => fireEvent.click(screen.getByRole("button", { name: "notes.md" })),
      () => (tell({ completed: 6, cancelled: 3 }), "Nothing runs now"),
      () => fireEvent.click(screen.getByRole("button", { name: "Show 3 older" })),
      () => (stats.at(-1)?.cut(), "Reconnecting"),
    ];
  };
  const [meddled, alone] = await playTwice(steps, meddle);
  expect(meddled).toEqual(alone);
});
