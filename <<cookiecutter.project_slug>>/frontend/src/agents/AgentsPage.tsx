import { useCallback, useId, useState } from "react";
import type { PageProps } from "../app/pages";
import { useResource } from "../app/resource";
import { href, navigate } from "../app/router";
import { useTitle } from "../app/title";
import { listFindings } from "./api";
import type { AgentFindings, AgentName } from "./api";
import { FindingsList } from "./FindingsList";
import { Lanes } from "./Lanes";
import { agentTitles } from "./reports";
import "./agents.css";

const names = Object.keys(agentTitles) as AgentName[];
/** As many as the server gives at once. */
const LISTED = 100;

/** The agents at work, live, and what they have found out; of all documents or of the one that the address names. */
export function AgentsPage({ params }: PageProps) {
  const documentId = params.id ?? null;
  const [kind, setKind] = useState<AgentName | null>(null);
  const [worked, setWorked] = useState(0);
  const onWorked = useCallback(() => setWorked((times) => times + 1), []);
  useTitle("Agents");
  const all = useResource(`agent-findings:${worked}`, (signal) => listFindings(LISTED, null, signal));

  return (
    <>
      <header className="agents-head">
        <h1>Agents</h1>
        <p className="soft">Each new document goes to a tagger, a summariser and an indexer. This is what they do, as they do it.</p>
        <div className="agents-head__filters">
          <KindFilter kind={kind} onKind={setKind} />
          <DocumentFilter documentId={documentId} findings={all.data} />
        </div>
      </header>
      <div className="agents">
        <Lanes key={`${kind}:${documentId}`} kind={kind} documentId={documentId} onWorked={onWorked} />
        {documentId === null ? (
          <FindingsList findings={all.data} error={all.error} />
        ) : (
          <DocumentFindings key={documentId} documentId={documentId} version={worked} />
        )}
      </div>
    </>
  );
}

function KindFilter({ kind, onKind }: { readonly kind: AgentName | null; readonly onKind: (kind: AgentName | null) => void }) {
  const field = useId();
  return (
    <p className="agents-filter">
      <label htmlFor={field}>Agent</label>
      <select id={field} className="field" value={kind ?? ""} onChange={(event) => onKind(names.find((name) => name === event.target.value) ?? null)}>
        <option value="">All agents</option>
        {names.map((name) => (
          <option key={name} value={name}>
            {agentTitles[name]}
          </option>
        ))}
      </select>
    </p>
  );
}

/** What was found out about one document, which may be none of the latest. */
function DocumentFindings({ documentId, version }: { readonly documentId: string; readonly version: number }) {
  const { data, error } = useResource(`agent-findings:${version}:${documentId}`, (signal) => listFindings(1, documentId, signal));
  return <FindingsList findings={data} error={error} alone />;
}

/** Which document: kept in the address, so that it holds over a reload and can be sent to others. */
function DocumentFilter({ documentId, findings }: { readonly documentId: string | null; readonly findings: AgentFindings | null }) {
  const field = useId();
  const choices = findings?.documents.map(({ document_id, title }) => ({ id: document_id, title })) ?? [];
  if (documentId !== null && !choices.some(({ id }) => id === documentId)) choices.push({ id: documentId, title: documentId });
  return (
    <p className="agents-filter">
      <label htmlFor={field}>Document</label>
      <select
        id={field}
        className="field"
        value={documentId ?? ""}
        onChange={({ target }) => navigate((target.value === "" ? href("/agents") : href("/agents/:id", { id: target.value })).slice(1))}
      >
        <option value="">All documents</option>
        {choices.map(({ id, title }) => (
          <option key={id} value={id}>
            {title}
          </option>
        ))}
      </select>
    </p>
  );
}
