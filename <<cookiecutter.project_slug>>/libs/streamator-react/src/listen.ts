/**
 * Adds a listener and gives the function that takes it away. Not by the option `signal`: where AbortController is Node's, as
 * in a test that streams, jsdom's targets refuse it.
 */
export function listen<Given extends Event>(target: EventTarget | null, type: string, listener: (event: Given) => void, options?: AddEventListenerOptions): () => void {
  target?.addEventListener(type, listener as EventListener, options);
  return () => target?.removeEventListener(type, listener as EventListener, options);
}
