import { textOf } from "./formatEvent.js";
import { NOWHERE, positionOf, saysAll, type Incoming, type Sift } from "./store.js";
import type { LogEntry } from "./types.js";

/** What a store has of a log. */
export interface Shown {
  /** The cursor as a number. */
  readonly position: number;
  /** The first event with an id in this run of the log, and the last. */
  readonly first: Incoming | null;
  readonly last: Incoming | null;
  /** All lines, of earlier runs too. */
  lines(): readonly LogEntry[];
  /** The ids start over, below a line with this text. */
  restart(text: string): void;
}

const RESTARTED = "The log was started anew; the lines above are of an earlier run.";

/**
 * Tells what is new of a connection that was resumed: all from its first id above the cursor on. Until then, what has an
 * id at or below it is
 * - dropped where it is what came by that id before: the server replays, since it ignores the cursor;
 * - a log that was started anew where it is not: its ids start over, and all of it is taken.
 * What is the same so far is held back until it is known which of the two it is.
 */
export function replay(shown: Shown): Sift {
  let floor = shown.position;
  let held: Incoming[] | null = []; // what may be a replay or a new log; null: it is a replay
  let lines: readonly LogEntry[] | null = null; // of this run
  let compared = 0; // how many of them

  /** Whether this event came by this id before; null where that is not known any more. */
  const isHere = ({ id, event }: Incoming, position: number): boolean | null => {
    const text = textOf(event);
    let known = false;
    for (const one of [shown.first, shown.last]) {
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
      if (held === null && same === false) fresh.push(item); // one more with the cursor's id
      else if (held !== null && (same === false || (done && same === null))) {
        // Another log: it has another event by that id, or is over before our cursor.
        floor = NOWHERE;
        shown.restart(RESTARTED);
        fresh.push(...held, item);
      } else if (held !== null && position !== floor) held.push(item);
      else held = null;
    }
    return fresh;
  };
}

/** The lines below the last restart. */
function thisRun(lines: readonly LogEntry[]): readonly LogEntry[] {
  let start = lines.length;
  while (start > 0 && !(lines[start - 1]?.id === null && lines[start - 1]?.text === RESTARTED)) start -= 1;
  return lines.slice(start);
}
