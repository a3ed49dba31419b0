import { JobConnection } from "./jobConnection.js";
import { call } from "./store.js";
import type { JobOutcome, LogStreamOptions, StreamError, StreamEvent } from "./types.js";

export interface StreamEventsOptions extends Pick<LogStreamOptions, "method" | "body" | "headers" | "credentials" | "timeout" | "retry" | "onOpen"> {
  /** Ends it without another call, like `close()`. */
  signal?: AbortSignal | null;
  /**
   * The stream of the job that a POST has started: when the POST breaks off, this one is followed from the last event
   * on. Needs the header `x-job-id` in the answer, or a `job_id` in an event. Default: a POST that breaks off is an error.
   */
  streamUrl?: (jobId: string) => string;
  /** Called with the job's id, once it is known. */
  onJobId?: (jobId: string) => void;
  /** Called for each event in order, named or not. The name is `event.event`, where the JSON does not bring its own. */
  onEvent?: (event: StreamEvent, id: number | null) => void;
  /** Called once when the job is over; with null where the server does not say how it ended. */
  onEnd?: (outcome: JobOutcome | null) => void;
  /** Called once when it is given up. Breaks that are mended are not told. */
  onError?: (error: StreamError) => void;
}

/** A stream that was opened by `streamEvents`. */
export interface EventsHandle {
  /** Stop listening. The job goes on; none of the functions is called any more. */
  readonly close: () => void;
}

/**
 * Reads the events of a stream, without React: that of a job (GET), or the one that a POST answers with.
 *
 * Exactly one of `onEnd` and `onError` is called, after the last event and never after `close()`. A GET that breaks is
 * asked again from its last event; no event is lost or doubled. What one of the functions throws is reported as an
 * uncaught error is, and changes nothing.
 */
export function streamEvents(url: string, options: StreamEventsOptions = {}): EventsHandle {
  const { method = "GET", body, headers, credentials = "same-origin", timeout, retry, signal, streamUrl, onOpen, onJobId, onEvent, onEnd, onError } = options;
  let over = false;
  const finish = (): void => {
    over = true;
    signal?.removeEventListener("abort", close);
  };
  const close = (): void => {
    finish();
    connection.dispose();
  };
  const tell = <Given extends unknown[]>(told: ((...given: Given) => void) | undefined, ...given: Given): void => {
    if (!over) call(told, ...given);
  };

  const connection = new JobConnection(
    { url, mode: "sse", method: method.toUpperCase(), credentials },
    () => ({
      body,
      headers,
      timeout,
      retry,
      formatEvent: () => null, // events are handed on, not kept
      maxEntries: 1,
      onOpen: (response) => tell(onOpen, response),
      onEvent: (event, id) => tell(onEvent, event, id),
    }),
    {
      streamUrl,
      onJobId: (jobId) => tell(onJobId, jobId),
      onState: ({ status, active, outcome, error }) => {
        if (over || active || status === "idle") return;
        finish();
        if (status === "ended") call(onEnd, outcome);
        else call(onError, error ?? { kind: "interrupted", message: `The process that ran the job of ${url} has died.` });
      },
    },
  );
  if (signal?.aborted) over = true;
  else {
    signal?.addEventListener("abort", close);
    connection.start();
  }
  return { close };
}
