import { fireEvent, render, screen } from "@testing-library/react";
import { expect, it } from "vitest";
import { ComponentsPage } from "../../src/examples/ComponentsPage";
import { OTHERS, playTwice } from "../others";
import type { Step } from "../others";
import { Backend } from "../streams";

it.each(OTHERS)("with %s a job is chosen, and followed to its end", async (_, meddle) => {
  const steps = (): Step[] => {
    const backend = new Backend();
    const job = { job_id: "a", kind: "generate", source: "A report", status: "running", created_at: new Date(900_000).toISOString() };
    const streams = backend.stream("/api/log/a/stream");
    const tell = (event: object): unknown => streams.at(-1)?.send({ ...event });
    const example = (): HTMLElement => screen.getByRole("region", { name: "useJob" });
    return [
      () => (render(<ComponentsPage />), "Not found"),
      () => (backend.answers.set("/api/jobs?limit=20", () => Response.json({ jobs: [] })), document.dispatchEvent(new Event("visibilitychange")), "None has run yet"),
      () => (backend.answers.set("/api/jobs?limit=20", () => Response.json({ jobs: [job] })), document.dispatchEvent(new Event("visibilitychange")), "A report"),
      () => fireEvent.change(screen.getByLabelText("Job"), { target: { value: "a" } }),
      () => (tell({ event: "progress", t: 1, step: "write", message: "Half of it", percent: 50 }), "Half of it"),
      () => (tell({ event: "progress", t: 1, step: "write", message: "Most of it", percent: 80 }), "Most of it"),
      () => (tell({ event: "draft", t: 2, draft: "The text" }), "The text"),
      () => fireEvent.click(example().querySelector(".button--danger") as HTMLElement),
      () => (tell({ event: "done", t: 3, status: "cancelled" }), "Cancelled"),
    ];
  };
  const [meddled, alone] = await playTwice(steps, meddle);
  expect(meddled).toEqual(alone);
});
