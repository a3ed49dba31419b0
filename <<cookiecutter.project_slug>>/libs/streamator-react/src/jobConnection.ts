import { Connection, type Target } from "./connection.js";
import { LogStore, report, type ConnectionState } from "./store.js";
import type { LogStreamOptions, StreamEvent, StreamStatus } from "./types.js";

/** How the answer to a request that starts a job says which job it is. */
const JOB_HEADER = "x-job-id";

/** What a `JobConnection` tells, beside the events. */
export interface JobWatch {
  /** The job's own stream, to go on with when the request that started it breaks off. */
  readonly streamUrl?: ((jobId: string) => string) | undefined;
  /** Called once, when it is known which job a request has started. */
  readonly onJobId?: (jobId: string) => void;
  /** Called with each state of the connection, at once. After the events that led to it. */
  readonly onState: (state: ConnectionState) => void;
}

/**
 * Follows one job, also one that the request starts.
 *
 * A POST may not be sent twice. When its stream breaks off, the job's own is followed from the last event on, if the
 * server has said which job it is: in the header `x-job-id`, or else as `job_id` of an event.
 */
export class JobConnection {
  readonly store: LogStore;
  readonly #options: () => LogStreamOptions;
  readonly #watch: JobWatch;
  #target: Target;
  #connection: Connection;
  #jobId: string | null = null;

  constructor(target: Target, options: () => LogStreamOptions, watch: JobWatch) {
    this.#target = target;
    this.#options = options;
    this.#watch = watch;
    this.store = new WatchedStore((state) => {
      if (!(state.status === "failed" && state.error?.kind === "interrupted" && this.#goOn(state))) watch.onState(state);
    });
    this.store.begin(target.url);
    this.#connection = this.#make();
  }

  /** Connects, one tick from now. */
  start(): void {
    this.#connection.start();
  }

  /** Goes on from the last event after `dispose`. False where that would take repeating the request. */
  resume(): boolean {
    if (this.#target.method !== "GET") return this.#goOn(this.store.state);
    this.#connection.start();
    return true;
  }

  dispose(): void {
    this.#connection.dispose();
  }

  close(): void {
    this.#connection.close();
  }

  reconnect(): void {
    if (!this.#goOn(this.store.state)) this.#connection.reconnect();
  }

  #make(): Connection {
    return new Connection(this.#target, this.store, () => {
      const { onOpen, onEvent, ...options } = this.#options();
      return {
        ...options,
        onOpen: (response) => {
          this.#identify(response.headers.get(JOB_HEADER));
          onOpen?.(response);
        },
        onEvent: (event: StreamEvent, id) => {
          this.#identify(event.job_id);
          onEvent?.(event, id);
        },
      };
    });
  }

  #identify(jobId: unknown): void {
    if (this.#jobId !== null || this.#target.method === "GET" || typeof jobId !== "string" || jobId === "") return;
    this.#jobId = jobId;
    this.#watch.onJobId?.(jobId);
    // One connection too many is open: the job's own stream can wait for its place, and poll meanwhile.
    queueMicrotask(() => {
      if (this.#connection.unplaced) this.#goOn(this.store.state, this.store.state.status);
    });
  }

  /** Whether the job's own stream is there to go on with. */
  #goOn({ attempt, error }: ConnectionState, status: StreamStatus = "reconnecting"): boolean {
    if (this.#target.method === "GET" || this.#jobId === null || !this.#watch.streamUrl) return false;
    let url: string;
    try {
      url = this.#watch.streamUrl(this.#jobId);
    } catch (fault) {
      report(fault);
      return false;
    }
    this.#connection.dispose();
    this.#target = { ...this.#target, url, method: "GET" };
    this.#connection = this.#make();
    this.#connection.start();
    this.store.setState({ ...this.store.state, status, attempt, error });
    return true;
  }
}

class WatchedStore extends LogStore {
  readonly #onState: (state: ConnectionState) => void;

  constructor(onState: (state: ConnectionState) => void) {
    super();
    this.#onState = onState;
  }

  override setState(state: ConnectionState): void {
    super.setState(state);
    this.#onState(state);
  }
}
