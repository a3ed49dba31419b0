import { useEffect, useId, useRef, useState } from "react";
import { ApiError, explainHere } from "../app/api";
import { formatBytes, formatCount, formatWhen } from "../app/format";
import { Icon } from "../app/icons";
import { useResource } from "../app/resource";
import { navigate } from "../app/router";
import { useTitle } from "../app/title";
import { getDocument } from "./api";
import { DocumentActions } from "./Library";

/** A book of some hundred pages would hold up the page for seconds; this much shows at once. */
const FIRST_CHARACTERS = 200_000;

function close(): void {
  navigate("/library");
}

/** The text of one document, in a sheet over the page. */
export function Reader({ id, onDeleted }: { readonly id: string; readonly onDeleted: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useId();
  const [whole, setWhole] = useState(false);
  const { data: document, error } = useResource(`document:${id}`, (signal) => getDocument(id, signal));
  useTitle(document?.title ?? "Document");

  useEffect(() => {
    const element = dialog.current;
    element?.showModal();
    return () => element?.close();
  }, []);

  return (
    <dialog
      ref={dialog}
      className="reader"
      aria-labelledby={heading}
      onCancel={(event) => {
        event.preventDefault(); // the route closes it
        close();
      }}
    >
      <button type="button" className="reader__beside" onClick={close} tabIndex={-1} aria-hidden="true" />
      <div className="reader__sheet">
        <header className="reader__head">
          <div className="reader__about">
            <h1 id={heading}>{document?.title ?? "Document"}</h1>
            {document !== null && (
              <p className="soft">
                <span className="reader__source" translate="no">
                  {document.source}
                </span>
                <span>{` · ${formatCount(document.words, "word")} · ${formatBytes(document.bytes)} · `}</span>
                <time translate="no" dateTime={document.created_at}>{formatWhen(document.created_at)}</time>
                {document.version > 1 && <span>{` · version\u00a0${document.version}`}</span>}
              </p>
            )}
          </div>
          <div className="reader__actions">
            {document !== null && (
              <DocumentActions
                document={document}
                onDeleted={() => {
                  onDeleted();
                  close();
                }}
              />
            )}
            <button type="button" className="button button--plain button--icon" onClick={close} aria-label="Close" title="Close">
              <Icon name="close" />
            </button>
          </div>
        </header>
        {document === null ? (
          <p className="reader__text soft">
            {error instanceof ApiError && error.kind === "not-found"
              ? "There is no document with this id. It may have been deleted."
              : (explainHere(error) ?? "Loading the text")}
          </p>
        ) : (
          // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- the keyboard scrolls what has the focus
          <div className="reader__text" tabIndex={0} role="document" aria-label={`Text of ${document.title}`}>
            <span>{whole ? document.text : document.text.slice(0, FIRST_CHARACTERS)}</span>
            {!whole && document.text.length > FIRST_CHARACTERS && (
              <p>
                <button type="button" className="button" onClick={() => setWhole(true)}>
                  Show the rest
                </button>
              </p>
            )}
          </div>
        )}
      </div>
    </dialog>
  );
}
