/** An event's times in milliseconds: when it came, and how long after the job's start it was made. */
interface Moment {
  readonly at: number;
  readonly t: number;
}

/** Events count as live after they came as fast as they were made for this many milliseconds. */
const LIVE = 1_000;
/** Two live events may differ in their delay by this many milliseconds. */
const SLACK = 500;
/** A guess of the start is corrected if it is off by more than this many poll intervals. */
const LATE = 2;

/** Finds out when a job began, in milliseconds by this browser's clock, by when its events come. */
export class JobClock {
  #heard: Moment | null = null; // when the stream opened or the last event came
  #pace: Moment | null = null; // the first of the events that came as fast as they were made

  /** Call this when the stream opens. */
  opened(): void {
    this.#heard = { at: Date.now(), t: this.#heard?.t ?? 0 };
  }

  /**
   * When the job began: `startedAt`, corrected by an event that came now and was made `t` seconds after the start.
   * `interval`: milliseconds between two polls. Null until that is known.
   */
  startedAt(startedAt: number | null, t: unknown, interval: number): number | null {
    if (typeof t !== "number" || !Number.isFinite(t)) return startedAt;
    const now = { at: Date.now(), t: t * 1000 };
    const before = this.#heard;
    this.#heard = now;
    const guess = now.at - now.t;
    const pace = this.#pace;
    // An event cannot come before it was made, so the earliest guess is the best. A much earlier one shows that the
    // guesses before it were made by replayed events.
    const late = pace !== null && pace.at - pace.t - guess > LATE * interval;
    if (startedAt !== null && !late) return Math.min(startedAt, guess);
    // The stream was silent and this event was made meanwhile: so it is live.
    const silent = before !== null && now.at - before.at >= LIVE && now.t - before.t >= now.at - before.at - SLACK;
    if (pace === null || Math.abs(guess - (pace.at - pace.t)) > SLACK) this.#pace = now;
    const kept = this.#pace === pace && pace !== null && now.at - pace.at >= LIVE;
    return silent || kept ? guess : null;
  }
}
