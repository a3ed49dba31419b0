import { fireEvent, render, screen } from "@testing-library/react";
import { expect, it, vi } from "vitest";
import type { Document, DocumentText, Job } from "../../src/ingest/api";
import { IngestPage } from "../../src/ingest/IngestPage";
import { OTHERS, playTwice } from "../others";
import type { Step } from "../others";
import { Backend } from "../streams";

const job = {
  job_id: "a1", kind: "ingest", source: "notes.md", status: "running", created_at: new Date(990_000).toISOString(), finished_at: null,
  document_id: null, error: null, partial: null, step: null, percent: null, age_seconds: null,
} as unknown as Job;
const page: Document = {
  id: "d1", title: "A page", source: "https://example.org/a", kind: "html", words: 12, bytes: 900, created_at: "1970-01-01T00:00:00Z",
  version: 1, snippet: "Some \u0002words\u0003 of it",
};

/** Leaves the page and comes back to it: it asks for everything anew. */
const look = (): unknown => document.dispatchEvent(new Event("visibilitychange"));
const press = (name: string): unknown => fireEvent.click(screen.getByRole("button", { name }));
const type = (label: string, value: string): unknown => fireEvent.change(screen.getByLabelText(label), { target: { value } });

it.each(OTHERS)("with %s documents are added, searched, read and deleted, and jobs are seen to their ends", async (_, meddle) => {
  const steps = (): Step[] => {
    localStorage.clear();
    sessionStorage.clear();
    const backend = new Backend();
    const jobs = (...listed: Partial<Job>[]): unknown =>
      backend.answers.set("/api/jobs?limit=50&kind=ingest", () => Response.json({ jobs: listed.map((one) => ({ ...job, ...one })) }));
    const documents = (query: string, found: readonly Partial<Document>[], unindexed?: number): unknown =>
      backend.answers.set(`/api/documents?limit=20${query}`, () => Response.json({ documents: found.map((one) => ({ ...page, ...one })), total: found.length, unindexed }));
    const text: DocumentText = { ...page, text: "All of it" };
    let canDelete = false;
    backend.answers.set("/api/documents/d1", ({ method }) => Response.json(text, { status: method === "DELETE" && !canDelete ? 404 : 200 }));
    backend.answers.set("/api/jobs/a1", () => Response.json(job));
    const logs = backend.stream("/api/log/a1/stream");
    const started = backend.stream("/api/ingest/stream", { "x-job-id": "b2" });
    const log = (message: string, level = "info"): unknown => logs.at(-1)?.send({ event: "log", message, level, t: 0.1 });
    let view: ReturnType<typeof render> | undefined;
    const show = (route: string, id = ""): void => {
      const shown = <IngestPage route={route} params={{ id }} />;
      if (view) view.rerender(shown);
      else view = render(shown);
    };
    jobs();
    documents("", []);
    return [
      () => (show("/"), "The library is empty"),
      () => (type("Search the documents", "words"), documents("&q=words", []), "Nothing found for “words”"),
      () => (type("Search the documents", "wordsmith"), documents("&q=wordsmith", [], 1_204), "1,204 documents cannot be found yet"),
      () => (documents("&q=wordsmith", [page, { id: "d2", title: "Its other", version: 3 }], 3), "3 documents cannot be found yet"),
      () => (documents("&q=wordsmith", [{ ...page, snippet: "No \u0002words\u0003 of \u0002this\u0003" }]), "of this"),
      () => (type("Search the documents", ""), "The library is empty"),
      () => (documents("", [page]), jobs({}), look(), "Live"),
      () => (log("Fetching"), "Fetching"),
      () => (log("Slow", "warning"), ", 1 warning"),
      () => (log("Slower", "warning"), ", 2 warnings"),
      () => (log("Broken", "error"), ", 1 error"),
      () => (logs.at(-1)?.send({ event: "progress", step: "fetching", message: "Fetching it", percent: 12, t: 0.2 }), "12"),
      () => void vi.advanceTimersByTime(1_000), // it runs for longer
      () => (press("Cancel notes.md"), "It cannot be cancelled"),
      () => (backend.answers.set("/api/job/a1/cancel", () => Response.json({}, { status: 202 })), press("Cancel notes.md"), "Cancelling"),
      () => (logs.at(-1)?.cut(), "Reconnecting"),
      () => (jobs({ status: "cancelled", finished_at: new Date(995_000).toISOString(), document_id: "d1", partial: "1 of 2" }), look(), "1 of 2"),
      () => press("Fetch"),
      () => (type("Or give an address", "no address"), press("Fetch")),
      () => (type("Or give an address", "example.org/b"), press("Fetch"), "Starting"),
      () => (started[0]?.send({ event: "progress", step: "fetching", message: "Fetching it", percent: 3, t: 0.1 }), "Fetching it"),
      () => (started[0]?.send({ event: "progress", step: "storing", message: "Storing it", percent: 90, t: 0.2 }), "Storing it"),
      () => (started[0]?.send({ event: "complete", type: "document", status: "skipped", message: "It is here", details: {}, t: 0.3 }), started[0]?.send({ event: "done", status: "completed", t: 0.3 }), "It is here"),
      () => {
        for (const path of ["/api/ingest/stream", "/api/ingest"]) backend.answers.set(path, () => Response.json({ error: "8 jobs are running" }, { status: 429 }));
        press("Fetch it anew");
        return "8 jobs are running";
      },
      () => fireEvent.click(screen.getByRole("button", { name: /^Dismiss/ })),
      () => press("Delete A page"),
      () => press("Keep"),
      () => press("Delete A page"),
      () => (press("Delete for good: A page"), "This is not there any more"),
      () => (show("/documents/:id", "d1"), "All of it"),
      () => (show("/documents/:id", "d9"), "There is no document with this id"),
      () => (show("/jobs/:id", "a1"), "All jobs"),
      () => (backend.answers.set("/api/jobs/a1", () => Response.json({ ...job, status: "failed", error: "It broke", finished_at: new Date(995_000).toISOString() })), look(), "Failed"),
      () => (show("/jobs/:id", "c3"), "There is no job with this id"),
      () => (show("/library"), "A page"),
      () => (backend.answers.set("/api/documents?limit=20&q=trouble", () => Response.json({ error: "The disk is full" }, { status: 400 })), type("Search the documents", "trouble"), "The disk is full"),
      () => (type("Search the documents", ""), "A page"),
      () => press("Delete A page"),
      () => ((canDelete = true), documents("", []), press("Delete for good: A page"), "The library is empty"),
    ];
  };
  const [meddled, alone] = await playTwice(steps, meddle);
  expect(meddled).toEqual(alone);
});

it("names of files, times and durations are not translated, titles and states are", async () => {
  const backend = new Backend();
  const over = { ...job, status: "completed", finished_at: new Date(995_000).toISOString() };
  backend.answers.set("/api/jobs?limit=50&kind=ingest", () => Response.json({ jobs: [over] }));
  backend.answers.set("/api/documents?limit=20", () => Response.json({ documents: [page], total: 1 }));
  render(<IngestPage route="/" params={{}} />);
  vi.useRealTimers();
  await screen.findByText("A page");
  await screen.findByText("notes.md");
  const isLeft = (text: string): boolean => screen.getByText(text).closest("[translate=no]") !== null;
  expect(["notes.md", "5.0 s"].map(isLeft)).toEqual([true, true]);
  expect(document.querySelectorAll("time:not([translate=no])")).toHaveLength(0);
  expect(["A page", "Completed"].map(isLeft)).toEqual([false, false]);
});
