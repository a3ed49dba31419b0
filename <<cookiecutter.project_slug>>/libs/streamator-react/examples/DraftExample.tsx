import { DraftPanel, draftAfter, type StreamEvent } from "streamator-react";
import { useReplay } from "./replay";

const TEXT = `Events in a log

A job writes what happens to it into a log: one event after the other, each with a number. Nobody takes anything out of it. Who looks on keeps one thing only, the number of the last event that they have seen, and asks for what follows.

So the first viewer and the tenth see the same. One who comes late reads from the beginning. One whose connection broke asks for what came since, and misses nothing.

The text in this panel grew in the same way, a few words at a time. Scroll up while it grows: the panel stays where you are, and a button leads back to the end.`;

const RECORDING: readonly StreamEvent[] = (TEXT.match(/\S+\s*/g) ?? []).map((token, index) => ({ event: "token", t: 0.5 + index * 0.07, token }));

export function DraftExample() {
  const { events, playing, play } = useReplay(RECORDING);
  return (
    <>
      <DraftPanel text={events.reduce(draftAfter, "")} active={playing} title="Draft" fileName="draft.txt" />
      <button type="button" className="button" onClick={play}>
        Write it again
      </button>
    </>
  );
}
