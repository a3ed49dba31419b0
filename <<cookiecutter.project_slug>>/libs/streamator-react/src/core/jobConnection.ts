import type { Target } from "../transport/transport.js";
import type { LogStreamOptions, StreamEvent, StreamStatus } from "../types.js";
import { Connection } from "./connection.js";
import { LogStore, report, type ConnectionState } from "./store.js";

/** The answer to a request that starts a job names the job in this header. */
const JOB_HEADER = "x-job-id";

/** What a `JobConnection` reports beside the events. */
export interface JobWatch {
  /** The URL of the job's own stream: it is followed when the request that started the job breaks off. */
  readonly streamUrl?: ((jobId: string) => string) | undefined;
  /** Called once, with the id of the job that a request started. */
  readonly onJobId?: (jobId: string) => void;
  /** Called at once with each state of the connection, after the events that led to it. */
  readonly onState: (state: ConnectionState) => void;
}

/**
 * Follows one job, or starts one by a POST and follows it.
 *
 * A POST may not be sent twice. When its stream breaks off, the job's own stream is followed from the last event on, if
 * the server has named the job: in the header `x-job-id`, or as `job_id` in an event.
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
    this.store = new LogStore(true, (state) => {
      if (!(state.status === "failed" && state.error?.kind === "interrupted" && this.#goOn(state))) watch.onState(state);
    });
    this.#connection = this.#make();
  }

  /** Connects, one tick from now. */
  start(): void {
    this.#connection.start();
  }

  /** Connects again after `dispose`, from the last event. False if that would repeat a POST. */
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
    // The POST has no place (see `holdPlace`) and cannot wait for one. The job's own stream can: it polls meanwhile.
    queueMicrotask(() => {
      if (this.#connection.unplaced) this.#goOn(this.store.state, this.store.state.status);
    });
  }

  /** Switches to the job's own stream. False if there is none. */
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
