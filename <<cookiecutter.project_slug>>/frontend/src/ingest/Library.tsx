import { useEffect, useId, useState } from "react";
import { explain, explainHere } from "../app/api";
import { onDownload } from "../app/download";
import { formatBytes, formatCount, formatWhen } from "../app/format";
import { Icon } from "../app/icons";
import { useResource } from "../app/resource";
import { href } from "../app/router";
import { deleteDocument, listDocuments, originalUrl } from "./api";
import type { Document } from "./api";
import { Marked } from "./marks";

const PAGE = 20;
const TYPING_MS = 150;
const INDEXING_MS = 2_000;
const kinds = {
  text: "Text",
  markdown: "Markdown",
  html: "HTML",
  pdf: "PDF",
  docx: "Word",
  epub: "EPUB",
  opendocument: "OpenDocument",
  rtf: "RTF",
  email: "Email",
  mhtml: "Saved page",
  csv: "CSV",
  subtitles: "Subtitles",
} as const;

/** What has been ingested: to search, read, download and delete. `version` changes when there is more, or less. */
export function Library({ version }: { readonly version: string }) {
  const [text, setText] = useState("");
  const query = useSettled(text.trim(), TYPING_MS);
  const [limit, setLimit] = useState(PAGE);
  const list = useResource(
    `documents:${version}:${limit}:${query}`,
    async (signal) => ({ query, ...(await listDocuments(query, limit, signal)) }),
    (found) => (found?.unindexed ? INDEXING_MS : null),
  );
  const { data } = list;
  const unindexed = data?.unindexed ?? 0;
  const problem = explainHere(list.error);
  const field = useId();

  return (
    <section className="library" aria-labelledby="library-heading">
      <div className="section-head">
        <h2 id="library-heading">Library</h2>
        <output className="soft library__total">
          {data === null ? "" : data.query === "" ? formatCount(data.total, "document") : `${formatCount(data.total, "document")} found`}
        </output>
      </div>
      <div className="search">
        <label className="visually-hidden" htmlFor={field}>
          Search the documents
        </label>
        <Icon name="search" />
        <input
          id={field}
          className="field"
          type="search"
          placeholder="Search the documents"
          autoComplete="off"
          value={text}
          onChange={(event) => {
            setText(event.target.value);
            setLimit(PAGE);
          }}
        />
      </div>
      {problem !== null && (
        <p className="note note--bad" role="alert">
          {problem}
        </p>
      )}
      {unindexed > 0 && (
        <p className="note library__unindexed">
          {`The search index is being made anew: ${formatCount(unindexed, "document")} cannot be found yet.`}
        </p>
      )}
      {data === null ? (
        problem === null && <p className="empty">Loading the library</p>
      ) : data.documents.length === 0 ? (
        data.query === "" ? (
          <p key="empty" className="empty">
            <strong>The library is empty</strong>
            What the jobs take in is kept here, to be read and searched.
          </p>
        ) : (
          <p key="none" className="empty">
            <strong>{`Nothing found for “${data.query}”`}</strong>
            The search looks for words and how words begin, in titles and texts.
          </p>
        )
      ) : (
        <ul className="documents">
          {data.documents.map((document) => (
            <DocumentRow key={document.id} document={document} onDeleted={list.refresh} />
          ))}
        </ul>
      )}
      {data !== null && data.documents.length < data.total && data.documents.length >= limit && (
        <button type="button" className="button button--plain more" onClick={() => setLimit((all) => all + PAGE)}>
          Show more
        </button>
      )}
    </section>
  );
}

function DocumentRow({ document, onDeleted }: { readonly document: Document; readonly onDeleted: () => void }) {
  return (
    <li className="document">
      <h3 className="document__title">
        <a href={href("/documents/:id", { id: document.id })}>
          <Marked text={document.title} />
        </a>
      </h3>
      {document.snippet !== null && document.snippet !== "" && (
        <p className="document__snippet">
          <Marked text={document.snippet} />
        </p>
      )}
      <div className="document__foot">
        <p className="soft">
          <span>{`${kinds[document.kind]} · ${formatCount(document.words, "word")} · ${formatBytes(document.bytes)} · `}</span>
          <time translate="no" dateTime={document.created_at}>{formatWhen(document.created_at)}</time>
          {document.version > 1 && <span>{` · version\u00a0${document.version}`}</span>}
        </p>
        <DocumentActions document={document} onDeleted={onDeleted} />
      </div>
    </li>
  );
}

/** Download and delete; deleting asks once more, in place. */
export function DocumentActions({ document, onDeleted }: { readonly document: Document; readonly onDeleted: () => void }) {
  const [step, setStep] = useState<"idle" | "asked" | "deleting" | "kept">("idle");
  const [error, setError] = useState<string | null>(null);

  // Focus goes along with the question, and back: the button that had it is replaced.
  if (step === "asked" || step === "deleting") {
    return (
      <div className="document__actions">
        <button
          ref={takeFocus}
          type="button"
          className="button button--plain button--danger"
          aria-label={`${step === "deleting" ? "Deleting" : "Delete for good"}: ${document.title}`}
          disabled={step === "deleting"}
          onClick={() => {
            setStep("deleting");
            deleteDocument(document.id).then(onDeleted, (failure: unknown) => {
              setStep("kept");
              setError(explain(failure));
            });
          }}
        >
          {step === "deleting" ? "Deleting" : "Delete for good"}
        </button>
        <button type="button" className="button button--plain" disabled={step === "deleting"} onClick={() => setStep("kept")}>
          Keep
        </button>
      </div>
    );
  }
  return (
    <div className="document__actions">
      {error !== null && (
        <span className="refusal" role="alert">
          {error}
        </span>
      )}
      <a
        className="button button--plain button--icon"
        href={originalUrl(document.id)}
        download
        onClick={onDownload((failure) => setError(explain(failure)))}
        aria-label={`Download the original of ${document.title}`}
        title="Download the original"
      >
        <Icon name="download" />
      </a>
      <button
        ref={step === "kept" ? takeFocus : undefined}
        type="button"
        className="button button--plain button--icon"
        onClick={() => setStep("asked")}
        aria-label={`Delete ${document.title}`}
        title="Delete"
      >
        <Icon name="trash" />
      </button>
    </div>
  );
}

function takeFocus(element: HTMLElement | null): void {
  element?.focus();
}

/** `value`, once it has kept still for `ms` milliseconds; at once when it is emptied. */
function useSettled(value: string, ms: number): string {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), ms);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return value === "" ? "" : settled;
}
