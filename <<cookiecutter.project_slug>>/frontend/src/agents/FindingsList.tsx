import { useState } from "react";
import { explain, explainHere } from "../app/api";
import { formatCount } from "../app/format";
import { Icon } from "../app/icons";
import { href } from "../app/router";
import { forgetFindings } from "./api";
import type { AgentFindings, DocumentFindings } from "./api";
import { agentTitles } from "./reports";

const PAGE = 10;

export interface FindingsListProps {
  /** Null until the server has answered. */
  readonly findings: AgentFindings | null;
  readonly error: unknown;
  /** They are of the one document that was asked for. */
  readonly alone?: boolean;
}

/** What the agents have found out: tags, a summary, and which documents are about the same. */
export function FindingsList({ findings, error, alone = false }: FindingsListProps) {
  const [limit, setLimit] = useState(PAGE);
  const { documents, total } = findings ?? { documents: null, total: 0 };
  const problem = explainHere(error);
  return (
    <section className="findings" aria-labelledby="findings-heading">
      <div className="section-head">
        <h2 id="findings-heading">What they found</h2>
        <output className="soft">{total === 0 ? "" : formatCount(total, "document")}</output>
      </div>
      {problem !== null && (
        <p className="note note--bad" role="alert">
          {problem}
        </p>
      )}
      {documents === null ? (
        problem === null && <p className="empty">Loading what they found</p>
      ) : documents.length === 0 ? (
        <p key="none" className="empty">
          <strong>Nothing yet</strong>
          Each document that is taken in is tagged, summed up and indexed here.
        </p>
      ) : (
        <ul className="findings__list">
          {documents.slice(0, limit).map((each) => (
            <Finding key={each.document_id} findings={each} alone={alone} />
          ))}
        </ul>
      )}
      {documents !== null && documents.length > limit && (
        <button type="button" className="button button--plain more" onClick={() => setLimit((before) => before + PAGE)}>
          Show more
        </button>
      )}
      {documents !== null && documents.length <= limit && documents.length < total && <p className="soft more">{`The latest ${documents.length} are listed.`}</p>}
    </section>
  );
}

function Finding({ findings, alone }: { readonly findings: DocumentFindings; readonly alone: boolean }) {
  const { document_id: id, title, tags, summary, related, work } = findings;
  const failed = work.filter(({ status }) => status === "failed").map(({ agent_name }) => agentTitles[agent_name]);
  return (
    <li>
      <article className="finding" aria-label={title}>
        <h3 className="finding__title">
          <a href={href("/documents/:id", { id })}>{title}</a>
        </h3>
        {tags.length > 0 && (
          <ul className="finding__tags" aria-label="Tags">
            {tags.map((tag) => (
              <li key={tag}>{tag}</li>
            ))}
          </ul>
        )}
        {summary.length > 0 && <p className="finding__summary">{summary.join(" … ")}</p>}
        {failed.length > 0 && <p className="note note--bad">{`Gave up: ${failed.join(", ")}. The server's output says why.`}</p>}
        {related.length > 0 && (
          <p className="soft finding__related">
            About the same:{" "}
            {related.map((other, index) => (
              <span key={other.document_id}>
                {index > 0 && <span>, </span>}
                <a href={href("/agents/:id", { id: other.document_id })}>{other.title}</a>
              </span>
            ))}
          </p>
        )}
        <div className="finding__actions">
          <Again id={id} title={title} />
          {!alone && (
            <a className="button button--plain" href={href("/agents/:id", { id })} aria-label={`Only this one: ${title}`}>
              Only this one
            </a>
          )}
        </div>
      </article>
    </li>
  );
}

/** Has the agents work on a document again; what they find takes the place of what is there, piece by piece. */
function Again({ id, title }: { readonly id: string; readonly title: string }) {
  const [error, setError] = useState<string | null>(null);
  return (
    <>
      <button
        type="button"
        className="button button--plain"
        aria-label={`Work on ${title} again`}
        onClick={() => {
          setError(null);
          forgetFindings(id).catch((failure: unknown) => setError(explain(failure)));
        }}
      >
        <Icon name="again" />
        Again
      </button>
      {error !== null && (
        <span className="finding__error" role="alert">
          {error}
        </span>
      )}
    </>
  );
}
