/**
 * How each open log gets its lines: by a stream, over a WebSocket, or by polling.
 *
 * Over HTTP/1.1 a browser opens six connections to one origin, and all its tabs share them. A stream holds one
 * for as long as the job runs; with six of them nothing else would ever load. So at most four logs stream at
 * a time, over all tabs (within one page useLogStream sees to it by itself), and the rest are polled. The four are Web Locks: the browser gives them
 * back by itself when a tab goes away. Where there are no locks (plain HTTP on another host than
 * localhost), each tab counts for itself.
 */

import { useEffect, useState } from "react";

export type Delivery = "stream" | "socket" | "poll";
export type Lane = "sse" | "ws" | "poll";

const STREAMS = 4;

/**
 * The lane of one log; null while it needs none or has not got one yet.
 *
 * It is chosen when the log is opened and when the user prefers another, and is kept otherwise: in particular,
 * the end of the job does not change how the log was read. A job that is over needs no stream.
 */
export function useLane(open: boolean, running: boolean, delivery: Delivery): Lane | null {
  const [lane, setLane] = useState<Lane | null>(null);
  const streams = open && running && delivery === "stream";
  const sockets = open && running && delivery === "socket"; // none of the six: they need no place
  const polls = open && (running ? delivery === "poll" : lane === null);
  if (!open && lane !== null) setLane(null);
  if (polls && lane !== "poll") setLane("poll");
  if (sockets && lane !== "ws") setLane("ws");

  useEffect(() => {
    if (!streams) return;
    let left = false;
    let release: (() => void) | null = null;
    const claim = async (): Promise<void> => {
      await Promise.resolve(); // StrictMode runs the effect twice within the tick: one of the two must not take a place
      const claimed = left ? null : await claimStream();
      if (left) {
        claimed?.();
        return;
      }
      release = claimed;
      setLane(claimed === null ? "poll" : "sse");
    };
    void claim();
    return () => {
      left = true;
      release?.();
    };
  }, [streams]);

  return open ? lane : null;
}

/** Takes one of the streams; gives what returns it, or null when all are taken. */
export async function claimStream(): Promise<(() => void) | null> {
  if (!navigator.locks) return claimHere();
  try {
    for (let number = 1; number <= STREAMS; number += 1) {
      const release = await claimLock(`log-stream-${number}`);
      if (release !== null) return release;
    }
    return null;
  } catch {
    return claimHere(); // locks are there but forbidden, as in a sandboxed frame
  }
}

function claimLock(name: string): Promise<(() => void) | null> {
  return new Promise((resolve, reject) => {
    navigator.locks
      .request(name, { ifAvailable: true }, (lock) => {
        if (lock === null) {
          resolve(null);
          return undefined;
        }
        return new Promise<void>((release) => resolve(() => release())); // held until then
      })
      .catch(reject);
  });
}

let takenHere = 0;

function claimHere(): (() => void) | null {
  if (takenHere >= STREAMS) return null;
  takenHere += 1;
  let held = true;
  return () => {
    if (held) takenHere -= 1;
    held = false;
  };
}
