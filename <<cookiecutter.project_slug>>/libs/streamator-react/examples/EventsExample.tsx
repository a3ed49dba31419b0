import { useRef, useState } from "react";
import { streamEvents, type EventsHandle } from "streamator-react";

export function EventsExample() {
  const [lines, setLines] = useState<readonly string[]>([]);
  const open = useRef<EventsHandle | null>(null);
  const say = (line: string): void => setLines((before) => [...before, line]);

  const ask = (): void => {
    open.current?.close();
    setLines([]);
    open.current = streamEvents("/run/stream", {
      method: "POST",
      streamUrl: (jobId) => `/job/${jobId}/stream`, // where it goes on when the POST breaks off
      onEvent: (event) => {
        if (event.event === "progress") say(`${String(event.step)}: ${String(event.message)}`);
      },
      onEnd: (outcome) => say(`It has ${outcome ?? "ended"}.`),
      onError: (error) => say(error.detail ?? error.message),
    });
  };
  return (
    <>
      <button type="button" className="button" onClick={ask}>
        Ask
      </button>
      <ol>
        {lines.map((line, index) => (
          // oxlint-disable-next-line react/no-array-index-key -- lines are only added
          <li key={index}>{line}</li>
        ))}
      </ol>
    </>
  );
}
