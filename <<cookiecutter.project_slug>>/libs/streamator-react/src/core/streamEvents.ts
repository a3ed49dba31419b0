import type { JobOutcome, LogStreamOptions, StreamError, StreamEvent } from "../types.js";
import { targetOf } from "./connection.js";
import { JobConnection } from "./jobConnection.js";
import { call } from "./store.js";

export interface StreamEventsOptions extends Pick<LogStreamOptions, "method" | "body" | "headers" | "credentials" | "timeout" | "retry" | "onOpen"> {
  /** Closes the stream when it aborts, like `close()`. */
  signal?: AbortSignal | null;
  /**
   * The URL of the stream of the job that a POST started. When the POST breaks off, that stream is followed from the last
   * event on. Needs the header `x-job-id` in the answer, or a `job_id` in an event. Default: a POST that breaks off is an error.
   */
  streamUrl?: (jobId: string) => string;
  /** Called once with the job's id. */
  onJobId?: (jobId: string) => void;
  /** Called for each event in order. `event.event` is the JSON's, or else the name of the server-sent event. */
  onEvent?: (event: StreamEvent, id: number | null) => void;
  /** Called once when the job is over; with null if the server does not say how it ended. */
  onEnd?: (outcome: JobOutcome | null) => void;
  /** Called once when the stream fails for good. Reconnects are silent. */
  onError?: (error: StreamError) => void;
}

/** A stream that was opened by `streamEvents`. */
export interface EventsHandle {
  /** Disconnects. The job goes on; no callback is called any more. */
  readonly close: () => void;
}

/**
 * Reads the events of a stream, without React: a job's stream (GET), or the stream that answers a POST.
 *
 * Exactly one of `onEnd` and `onError` is called, after the last event and never after `close()`. A GET that breaks off
 * is repeated from its last event; no event is lost or doubled. An error in a callback is reported like an uncaught one
 * and changes nothing.
 */
export function streamEvents(url: string, options: StreamEventsOptions = {}): EventsHandle {
  const { method, body, headers, credentials, timeout, retry, signal, streamUrl, onOpen, onJobId, onEvent, onEnd, onError } = options;
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
    targetOf(url, { method, credentials }),
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
