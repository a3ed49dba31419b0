import type { LogEntry } from "../types.js";
import { NOWHERE, positionOf, saysAll, textOf, type Incoming } from "./event.js";

/** Returns the events of a batch that are new. */
export type Sift = (batch: readonly Incoming[]) => readonly Incoming[];

/** What a store has of a log so far. */
export interface Shown {
  /** The cursor as a number. */
  readonly position: number;
  /** The first and the last event with an id since the log started over. */
  readonly first: Incoming | null;
  readonly last: Incoming | null;
  /** Its `done` events: a log that was opened again has them in its middle. */
  readonly ends: readonly Incoming[];
  /** All lines, also those before the log started over. */
  lines(): readonly LogEntry[];
  /** Adds a line with this text: below it the ids start over. */
  restart(text: string): void;
}

const RESTARTED = "The log was started anew; the lines above are of an earlier run.";

/**
 * Finds the new events of a resumed connection. All from the first id above the cursor on is new. An event at or below the
 * cursor is compared with what came by that id before:
 * - it is the same: the server ignores the cursor and replays, so the event is dropped;
 * - it is another one: the log started over, so all of it is new.
 * Events that are the same are held until one of the two is certain.
 */
export function replay(shown: Shown): Sift {
  let floor = shown.position;
  let held: Incoming[] | null = []; // null: it is a replay
  let lines: readonly LogEntry[] | null = null; // since the log started over
  let compared = 0; // how many of these lines

  /** Whether this event came by this id before; null if that line is gone. */
  const isHere = ({ id, event }: Incoming, position: number): boolean | null => {
    const text = textOf(event);
    let known = false;
    for (const one of [shown.first, ...shown.ends, shown.last]) {
      if (one?.id !== id) continue;
      if (textOf(one.event) === text) return true;
      known = true;
    }
    lines ??= thisRun(shown.lines());
    for (let entry = lines[compared]; entry; entry = lines[(compared += 1)]) {
      if ((entry.id ?? NOWHERE) > position) break;
      if (entry.id !== position) continue;
      if (entry.payload ? textOf(entry.payload) === text : saysAll(entry, event)) return true;
      known = true;
    }
    return known ? false : null;
  };

  return (batch) => {
    if (floor === NOWHERE) return batch;
    const fresh: Incoming[] = [];
    for (const item of batch) {
      const position = positionOf(item.id);
      const waits = held !== null && held.length > 0;
      const done = item.event.event === "done";
      if (floor === NOWHERE || (position === null ? !waits : position > floor)) {
        if (position !== null) floor = NOWHERE;
        fresh.push(item);
        continue;
      }
      const same = position === null ? null : isHere(item, position);
      if (held === null && same === false) fresh.push(item); // several events may share the cursor's id
      else if (held !== null && (same === false || (done && same === null))) {
        // Another log: it has another event by that id, or it ends before our cursor.
        floor = NOWHERE;
        shown.restart(RESTARTED);
        fresh.push(...held, item);
      } else if (held !== null && position !== floor) held.push(item);
      else held = null;
    }
    return fresh;
  };
}

/** The lines since the log last started over. */
function thisRun(lines: readonly LogEntry[]): readonly LogEntry[] {
  let start = lines.length;
  while (start > 0 && !(lines[start - 1]?.id === null && lines[start - 1]?.text === RESTARTED)) start -= 1;
  return lines.slice(start);
}
