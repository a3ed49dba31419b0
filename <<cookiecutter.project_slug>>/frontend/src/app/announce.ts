import { useSyncExternalStore } from "react";

/** Says something to screen readers, politely: what others see without looking for it. */
export function announce(text: string): void {
  said = text;
  for (const listener of listeners) listener();
}

/** What was said last; for the one live region in the shell. */
export function useAnnouncement(): string {
  return useSyncExternalStore(subscribe, () => said);
}

let said = "";
const listeners = new Set<() => void>();

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
