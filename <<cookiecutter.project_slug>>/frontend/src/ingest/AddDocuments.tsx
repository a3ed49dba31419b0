import { useEffect, useId, useRef, useState } from "react";
import { useConfig } from "../app/config";
import { formatBytes } from "../app/format";
import { Icon } from "../app/icons";
import { useStored } from "../app/stored";
import type { Limit } from "./api";
import type { Start, Starts } from "./starts";

// As in backend/app/ingest/identify.py; a test holds them together.
const ACCEPT =
  ".txt,.text,.log,.md,.markdown,.mdown,.mkd,.html,.htm,.xhtml,.pdf,.docx,.epub,.odt,.odp,.ods,.rtf,.eml,.mbox,.mhtml,.mht,.csv,.tsv,.srt,.vtt,.sbv,text/*,application/xhtml+xml,application/pdf,application/vnd.openxmlformats-officedocument.wordprocessingml.document,application/epub+zip,application/vnd.oasis.opendocument.text,application/vnd.oasis.opendocument.presentation,application/vnd.oasis.opendocument.spreadsheet,application/rtf,message/rfc822,application/mbox,multipart/related,application/x-mimearchive,application/x-subrip";

/** Files by drop or by choice, or an address. Each becomes a job of its own. */
export function AddDocuments({ starts }: { readonly starts: Starts }) {
  const config = useConfig();
  const dragging = useFileDrop((files) => starts.start(files.map((file) => ({ file }))));
  const picker = useRef<HTMLInputElement>(null);
  const hint = useId();

  return (
    <section className="add" aria-labelledby="add-heading">
      <h1 id="add-heading">Add documents</h1>
      <div className="add__ways">
        <div className="drop" data-dragging={dragging || undefined}>
          <span className="drop__icon">
            <Icon name="upload" />
          </span>
          <div className="drop__text">
            <p className="drop__title">
              <span className="drop__mouse">{dragging ? "Let go to add them" : "Drop files anywhere on this page"}</span>
              <span className="drop__touch">Add files</span>
            </p>
            <p className="soft" id={hint}>
              {`Text, Markdown, HTML, PDF, Word (docx), OpenDocument, EPUB, RTF, emails (eml), MHTML, CSV or subtitles${config ? `, up to ${formatBytes(config.max_upload_bytes)} each` : ""}`}
            </p>
          </div>
          <button type="button" className="button" aria-describedby={hint} onClick={() => picker.current?.click()}>
            Choose files
          </button>
          <input
            ref={picker}
            type="file"
            multiple
            hidden
            accept={ACCEPT}
            aria-label="Files to add"
            onChange={(event) => {
              starts.start(Array.from(event.target.files ?? [], (file) => ({ file })));
              event.target.value = ""; // so that the same file can be chosen again
            }}
          />
        </div>
        <UrlForm onUrl={(url, limit) => starts.start([{ url, limit, refresh: false }])} />
      </div>
      {starts.items.length > 0 && (
        <ul className="starts">
          {starts.items.map((item) => (
            <StartRow key={item.key} item={item} starts={starts} />
          ))}
        </ul>
      )}
    </section>
  );
}

const LIMITS = ["50", "100", "month", "year", "all"] as const satisfies readonly Limit[];
const limitNames: Record<Limit, string> = { "50": "newest 50", "100": "newest 100", month: "last month", year: "last year", all: "all" };

function UrlForm({ onUrl }: { readonly onUrl: (url: string, limit: Limit) => void }) {
  const [text, setText] = useState("");
  const [limit, setLimit] = useStored<Limit>("feed-limit", LIMITS, "50");
  const [error, setError] = useState<string | null>(null);
  const field = useRef<HTMLInputElement>(null);
  const id = useId();

  return (
    <form
      className="address"
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        const url = readUrl(text);
        if (url === null) {
          setError(
            text.trim() === ""
              ? "Type an address first, such as https://example.org/page.html."
              : `“${text.trim()}” is no web address. It has to look like https://example.org/page.html.`,
          );
          field.current?.focus();
          return;
        }
        setError(null);
        setText("");
        onUrl(url, limit);
      }}
    >
      <label htmlFor={id}>Or give an address</label>
      <div className="address__row">
        <input
          ref={field}
          id={id}
          className="field"
          type="url"
          inputMode="url"
          autoComplete="off"
          spellCheck={false}
          placeholder="https://example.org/page.html"
          value={text}
          onChange={(event) => {
            setText(event.target.value);
            setError(null);
          }}
          aria-invalid={error !== null}
          aria-describedby={`${id}-error`}
        />
        <button type="submit" className="button button--primary">
          Fetch
        </button>
      </div>
      <p className="address__limit soft">
        <label htmlFor={`${id}-limit`}>Of a feed or a sitemap, take the items of</label>
        <select id={`${id}-limit`} value={limit} onChange={({ target }) => setLimit(LIMITS.find((one) => one === target.value) ?? "50")}>
          {LIMITS.map((one) => (
            <option key={one} value={one}>
              {limitNames[one]}
            </option>
          ))}
        </select>
      </p>
      <p id={`${id}-error`} className="address__error" role="alert">
        {error}
      </p>
    </form>
  );
}

function StartRow({ item, starts }: { readonly item: Start; readonly starts: Starts }) {
  if (item.skipped !== null) {
    return (
      <li className="start">
        <output>
          <strong translate="no">{`${item.name}: `}</strong>
          <span>{item.skipped}</span>
        </output>
        <button type="button" className="button" onClick={() => starts.again(item)}>
          Fetch it anew
        </button>
        <Dismiss item={item} starts={starts} />
      </li>
    );
  }
  if (item.error === null) {
    return (
      <li className="start">
        <span className="start__name" translate="no">{item.name}</span>
        <span className="soft start__state">{item.doing ?? ("file" in item.source ? "Uploading" : "Starting")}</span>
      </li>
    );
  }
  return (
    <li>
      <div className="start start--refused" role="alert">
        <p>
          {!item.error.includes(item.name) && <strong translate="no">{`${item.name}: `}</strong>}
          <span>{item.error}</span>
        </p>
        {item.retry && (
          <button type="button" className="button" onClick={() => starts.again(item)}>
            Try again
          </button>
        )}
        <Dismiss item={item} starts={starts} />
      </div>
    </li>
  );
}

function Dismiss({ item, starts }: { readonly item: Start; readonly starts: Starts }) {
  return (
    <button
      type="button"
      className="button button--plain button--icon"
      aria-label={`Dismiss the message about ${item.name}`}
      onClick={() => starts.dismiss(item)}
    >
      <Icon name="close" />
    </button>
  );
}

/** "example.org/a" is taken as https; null for what is no address of the web. */
export function readUrl(text: string): string | null {
  const typed = text.trim();
  if (typed === "") return null;
  const full = /^[a-z][a-z0-9+.-]*:\/\//i.test(typed) ? typed : `https://${typed}`;
  if (!URL.canParse(full)) return null;
  const url = new URL(full);
  const named = url.hostname.includes(".") || url.hostname === "localhost" || url.hostname.startsWith("[");
  return named && (url.protocol === "http:" || url.protocol === "https:") ? url.href : null;
}

/** Takes files that are dropped anywhere on the page; true while some are held over it. */
function useFileDrop(onFiles: (files: File[]) => void): boolean {
  const [dragging, setDragging] = useState(false);
  const take = useRef(onFiles);
  useEffect(() => {
    take.current = onFiles;
  });

  useEffect(() => {
    const hasFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes("Files") ?? false;
    const over = (event: DragEvent): void => {
      if (!hasFiles(event)) return;
      event.preventDefault(); // else the browser opens the file in place of the page
      setDragging(true);
    };
    const leave = (event: DragEvent): void => {
      if (event.relatedTarget === null) setDragging(false); // out of the window, not into a child
    };
    const drop = (event: DragEvent): void => {
      setDragging(false);
      if (!hasFiles(event)) return;
      event.preventDefault();
      const files = Array.from(event.dataTransfer?.files ?? []);
      if (files.length > 0) take.current(files);
    };
    document.addEventListener("dragover", over);
    document.addEventListener("dragleave", leave);
    document.addEventListener("drop", drop);
    return () => {
      document.removeEventListener("dragover", over);
      document.removeEventListener("dragleave", leave);
      document.removeEventListener("drop", drop);
    };
  }, []);

  return dragging;
}
