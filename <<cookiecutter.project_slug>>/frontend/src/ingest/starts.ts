import { useCallback, useEffect, useRef, useState } from "react";
import type { EventsHandle } from "streamator-react";
import { ApiError, explain } from "../app/api";
import { useConfig } from "../app/config";
import { formatBytes } from "../app/format";
import { ingestUrlStream, startIngest } from "./api";
import type { IngestProgress, Job, Source } from "./api";
import type { Delivery } from "./delivery";

/** A start under way, what the newest address is at, or what there is to say about one. */
export interface Start {
  readonly key: number;
  readonly source: Source;
  readonly name: string;
  /** What its job does now; null before it has begun, and of a file. */
  readonly doing: string | null;
  /** Why there was nothing to do; null where there is, or was. */
  readonly skipped: string | null;
  /** Why it was refused; null while it is being sent, waits for its turn, or runs. */
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

const FRESH = { doing: null, skipped: null, error: null, retry: false } as const;

/** `delivery`: what the user prefers. An address is followed from its start on only where that is a stream. */
export function useStarts(onStarted: (job: Job) => void, delivery: Delivery): Starts {
  const config = useConfig();
  const limit = config?.max_upload_bytes ?? null;
  const [items, setItems] = useState<readonly Start[]>([]);
  const nextKey = useRef(1);
  const queue = useRef<Promise<void>>(Promise.resolve());
  const sources = useRef(new Map<string, Source>());
  // One address at a time is followed from here, the newest: a stream is one of the six connections that a browser
  // opens to a server, and the job's card shows the same.
  const followed = useRef<{ readonly key: number; readonly stream: EventsHandle } | null>(null);
  useEffect(() => () => followed.current?.stream.close(), []);

  const change = useCallback(
    (key: number, to: Partial<Start>) => setItems((all) => all.map((one) => (one.key === key ? { ...one, ...to } : one))),
    [],
  );
  const remove = useCallback((key: number) => setItems((all) => all.filter((one) => one.key !== key)), []);

  const begun = useCallback(
    (item: Start, job: Pick<Job, "job_id" | "source" | "created_at">) => {
      sources.current.set(job.job_id, item.source);
      onStarted({ ...job, kind: "ingest", status: "running", finished_at: null, attempt: 1, document_id: null, error: null, partial: null, step: null, percent: null, age_seconds: null });
    },
    [onStarted],
  );

  const failed = useCallback(
    (item: Start, failure: unknown) => {
      const retry = failure instanceof ApiError && (failure.kind === "busy" || failure.kind === "offline");
      change(item.key, { doing: null, error: explain(failure), retry });
    },
    [change],
  );

  /** Starts the job of a source, whose card shows the rest. */
  const begin = useCallback(
    async (item: Start) => {
      try {
        begun(item, await startIngest(item.source));
        remove(item.key);
      } catch (failure) {
        failed(item, failure);
      }
    },
    [begun, failed, remove],
  );

  /** Starts the job of an address; resolves once it has begun or was refused. */
  const follow = useCallback(
    (item: Start, url: string, options: Pick<Extract<Source, { url: string }>, "limit" | "refresh">) =>
      new Promise<void>((resolve) => {
        let known = false;
        const stream = ingestUrlStream(
          url,
          options.limit,
          (progress) => change(item.key, { doing: wordsOf(progress) }),
          ({ type, status, message }) => {
            if (status === "skipped" && type === "document") change(item.key, { doing: null, skipped: message });
            else remove(item.key); // the card says how it ended
          },
          (failure) => {
            if (known) remove(item.key);
            // There may be no room for another stream: its card then polls.
            else if (failure.kind === "busy") return void begin(item).then(resolve);
            else failed(item, failure);
            resolve();
          },
          {
            refresh: options.refresh,
            onJobId: (job_id) => {
              known = true;
              const before = followed.current;
              before?.stream.close();
              followed.current = { key: item.key, stream };
              setItems((all) => all.filter((one) => one.key !== before?.key || one.doing === null));
              begun(item, { job_id, source: url, created_at: new Date().toISOString() });
              resolve();
            },
          },
        );
      }),
    [begin, begun, change, failed, remove],
  );

  const send = useCallback(
    (item: Start) => {
      const { source } = item;
      queue.current = queue.current.then(() => ("url" in source && delivery === "stream" ? follow(item, source.url, source) : begin(item)));
    },
    [begin, delivery, follow],
  );

  const start = useCallback(
    (added: readonly Source[]) => {
      const rows = added.map((source): Start => {
        const key = nextKey.current++;
        return { ...FRESH, key, source, name: nameOf(source), error: refuse(source, limit) };
      });
      setItems((all) => [...all, ...rows]);
      for (const item of rows) if (item.error === null) send(item);
    },
    [limit, send],
  );

  const again = useCallback(
    (item: Start) => {
      const source = item.skipped !== null && "url" in item.source ? { ...item.source, refresh: true } : item.source;
      const anew = { ...item, ...FRESH, source };
      change(item.key, anew);
      send(anew);
    },
    [change, send],
  );

  const dismiss = useCallback((item: Start) => remove(item.key), [remove]);

  const sourceOf = useCallback((job: Job): Source | null => {
    const source = sources.current.get(job.job_id);
    if (source !== undefined && "file" in source) return source;
    return /^https?:\/\//i.test(job.source) ? { url: job.source, limit: source?.limit ?? "50", refresh: true } : null;
  }, []);

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

function wordsOf({ message, item }: IngestProgress): string {
  return item ? `${item.number} of ${item.total}: ${message}` : message;
}

function nameOf(source: Source): string {
  return "file" in source ? source.file.name : source.url;
}
