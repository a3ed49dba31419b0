import { useCallback, useRef, useState } from "react";
import { ApiError, explain } from "../app/api";
import { useConfig } from "../app/config";
import { formatBytes } from "../app/format";
import { startIngest } from "./api";
import type { Job, Source } from "./api";

/** A start under way, or one that was refused. */
export interface Start {
  readonly key: number;
  readonly source: Source;
  readonly name: string;
  /** Null while it is being sent or waits for its turn. */
  readonly error: string | null;
  /** Could the same succeed later, as it stands? */
  readonly retry: boolean;
}

export interface Starts {
  readonly items: readonly Start[];
  /** Starts a job for each, one after another: a row of large uploads must not take every connection. */
  readonly start: (sources: readonly Source[]) => void;
  readonly again: (item: Start) => void;
  readonly dismiss: (item: Start) => void;
  /** What a job can be started again with: its URL, or its file while this page still has it. */
  readonly sourceOf: (job: Job) => Source | null;
}

export function useStarts(onStarted: (job: Job) => void): Starts {
  const config = useConfig();
  const limit = config?.max_upload_bytes ?? null;
  const [items, setItems] = useState<readonly Start[]>([]);
  const nextKey = useRef(1);
  const queue = useRef<Promise<void>>(Promise.resolve());
  const files = useRef(new Map<string, Source>());

  const send = useCallback(
    (item: Start) => {
      queue.current = queue.current.then(async () => {
        try {
          const started = await startIngest(item.source);
          files.current.set(started.job_id, item.source);
          setItems((all) => all.filter(({ key }) => key !== item.key));
          onStarted({
            job_id: started.job_id,
            kind: "ingest",
            source: started.source,
            status: "running",
            created_at: started.created_at,
            finished_at: null,
            document_id: null,
            error: null,
          });
        } catch (failure) {
          const retry = failure instanceof ApiError && (failure.kind === "busy" || failure.kind === "offline");
          setItems((all) =>
            all.map((one) => (one.key === item.key ? { ...one, error: explain(failure), retry } : one)),
          );
        }
      });
    },
    [onStarted],
  );

  const start = useCallback(
    (sources: readonly Source[]) => {
      const added = sources.map((source): Start => {
        const name = nameOf(source);
        return { key: nextKey.current++, source, name, error: refuse(source, limit), retry: false };
      });
      setItems((all) => [...all, ...added]);
      for (const item of added) if (item.error === null) send(item);
    },
    [limit, send],
  );

  const again = useCallback(
    (item: Start) => {
      setItems((all) => all.map((one) => (one.key === item.key ? { ...one, error: null } : one)));
      send(item);
    },
    [send],
  );

  const dismiss = useCallback((item: Start) => setItems((all) => all.filter(({ key }) => key !== item.key)), []);

  const sourceOf = useCallback(
    (job: Job): Source | null =>
      /^https?:\/\//i.test(job.source) ? { url: job.source } : (files.current.get(job.job_id) ?? null),
    [],
  );

  return { items, start, again, dismiss, sourceOf };
}

/** Why a source need not even be sent; null when it is for the server to say. */
export function refuse(source: Source, limit: number | null): string | null {
  if ("url" in source) return null;
  if (limit !== null && source.file.size > limit) {
    return `The file has ${formatBytes(source.file.size)}, and the limit is ${formatBytes(limit)}. Choose a smaller one, or raise MAX_UPLOAD_MB.`;
  }
  return source.file.size === 0 ? "The file is empty. Choose one with something in it." : null;
}

function nameOf(source: Source): string {
  return "file" in source ? source.file.name : source.url;
}
