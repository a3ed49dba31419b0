import { cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { Document, DocumentText } from "../../src/ingest/api";
import { Library } from "../../src/ingest/Library";
import { Reader } from "../../src/ingest/Reader";
import { Backend } from "../streams";

const first: Document = {
  id: "d1", title: "A page", source: "https://example.org/a", kind: "html", words: 12, bytes: 900, created_at: "2026-01-01T10:00:00Z",
  version: 1, snippet: "Words of it",
};
const third: Document = { ...first, id: "d2", title: "A page that changes", version: 3 };

let backend: Backend;
beforeEach(() => {
  backend = new Backend();
  backend.answers.set("/api/documents?limit=20", () => Response.json({ documents: [first, third], total: 2 }));
});
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

it("says which version of a document is there, where it is not the first", async () => {
  render(<Library version="1" />);
  const rows = await screen.findAllByRole("listitem");
  expect(rows.map((row) => /version\s\d/.exec(row.textContent)?.[0])).toEqual([undefined, "version\u00a03"]);
});

it("says so above its text", async () => {
  const text: DocumentText = { ...third, text: "All of it" };
  backend.answers.set("/api/documents/d2", () => Response.json(text));
  render(<Reader id="d2" onDeleted={() => undefined} />);
  expect(await screen.findByText(/· version\s3$/)).toBeTruthy();
});

it("says how many documents cannot be found yet, until they can", async () => {
  let unindexed: number | undefined = 1_204;
  backend.answers.set("/api/documents?limit=20&q=words", () => Response.json({ documents: [], total: 0, unindexed }));
  render(<Library version="1" />);
  await screen.findAllByRole("listitem");
  fireEvent.change(screen.getByRole("searchbox"), { target: { value: "words" } });
  expect(await screen.findByText(/1,204 documents cannot be found yet/)).toBeTruthy();
  expect(screen.getByText("Nothing found for “words”")).toBeTruthy();
  unindexed = undefined;
  backend.answers.set("/api/documents?limit=20&q=words", () => Response.json({ documents: [first], total: 1 }));
  expect(await screen.findByText("A page", undefined, { timeout: 10_000 })).toBeTruthy();
  expect(screen.queryByText(/cannot be found yet/)).toBeNull();
}, 15_000);
