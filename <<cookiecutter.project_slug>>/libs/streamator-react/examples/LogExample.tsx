import { LogPanel, type PanelEntry, type StreamEvent } from "streamator-react";
import { useReplay } from "./replay";

function logged(t: number, message: string, level = "info", attempt = 1, seconds = t, event = "log"): StreamEvent {
  return { event, t, message, level, attempt, seconds };
}

// The job's worker is lost; another one goes on with the second attempt. Its times begin anew.
const RECORDING: readonly StreamEvent[] = [
  logged(0.2, "Reading the list of 3 pages"),
  logged(0.9, "Page 1 fetched", "success"),
  logged(1.6, "Page 2 answers slowly: trying again", "warning"),
  logged(4, "Attempt 2 - worker lost", "info", 2, 0, "attempt"),
  logged(4.3, "Going on after page 1", "info", 2, 0.3),
  logged(5.2, "Page 2 fetched", "success", 2, 1.2),
  logged(6, "Page 3 fetched", "success", 2, 2),
  logged(6.4, "3 pages stored", "success", 2, 2.4),
];

/** The lines as `useLogStream` makes them of a job's events. */
const lineOf = ({ event, message, level, attempt, seconds }: StreamEvent, index: number): PanelEntry => ({
  text: String(message),
  t: Number(seconds),
  level,
  line: index + 1,
  attempt: Number(attempt),
  event,
});

export function LogExample() {
  const { events, playing, play } = useReplay(RECORDING);
  return (
    <>
      <LogPanel logs={events.map(lineOf)} active={playing} toolbar maxHeight="14rem" aria-label="Log of the pages" fileName="pages.log" />
      <button type="button" className="button" onClick={play}>
        Play again
      </button>
    </>
  );
}
