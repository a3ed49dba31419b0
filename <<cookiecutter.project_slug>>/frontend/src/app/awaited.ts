import type { EventsHandle } from "streamator-react";

/** A stream that can be closed, and awaited: until it is over, or was closed. How it ended, its callbacks are told. */
export interface AwaitedStream extends EventsHandle, PromiseLike<void> {}

/** Opens a stream that can be awaited. `open` gets what to call when it is over; who awaits it goes on after that callback. */
export function awaited(open: (over: () => void) => EventsHandle): AwaitedStream {
  let over = (): void => undefined;
  const ended = new Promise<void>((resolve) => {
    over = () => resolve();
  });
  const { close } = open(over);
  return {
    close: () => {
      close();
      over();
    },
    // oxlint-disable-next-line unicorn/no-thenable -- the stream itself is awaited
    then: (onEnded, onFailed) => ended.then(onEnded, onFailed),
  };
}
