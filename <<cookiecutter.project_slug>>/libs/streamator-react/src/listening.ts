/** Listeners that are taken away together. */
export interface Listening {
  readonly on: <Given extends Event>(target: EventTarget, type: string, listener: (event: Given) => void, options?: AddEventListenerOptions) => void;
  readonly stop: () => void;
}

/** Not by the option `signal`: where AbortController is Node's, as in a test that streams, jsdom's targets refuse it. */
export function makeListening(): Listening {
  const ends: (() => void)[] = [];
  return {
    on: (target, type, listener, options) => {
      target.addEventListener(type, listener as EventListener, options);
      ends.push(() => target.removeEventListener(type, listener as EventListener, options));
    },
    stop: () => {
      for (const end of ends) end();
    },
  };
}
