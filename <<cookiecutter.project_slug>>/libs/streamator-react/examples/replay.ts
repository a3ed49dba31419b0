import { useCallback, useEffect, useState } from "react";
import type { StreamEvent } from "streamator-react";

/** Plays events at their times `t`, in place of a stream: from the start when it is first shown, and again by `play`. */
export function useReplay(recording: readonly StreamEvent[]) {
  const [run, setRun] = useState(() => ({ startedAt: Date.now(), played: 0 }));
  const next = recording[run.played];
  useEffect(() => {
    if (!next) return undefined;
    const due = run.startedAt + (next.t ?? 0) * 1000 - Date.now();
    const timer = setTimeout(() => setRun({ ...run, played: run.played + 1 }), due);
    return () => clearTimeout(timer);
  }, [run, next]);
  const play = useCallback(() => setRun({ startedAt: Date.now(), played: 0 }), []);
  return { events: recording.slice(0, run.played), playing: next !== undefined, startedAt: run.startedAt, play };
}
