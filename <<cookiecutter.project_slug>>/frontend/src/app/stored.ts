import { useCallback, useState } from "react";

/**
 * A choice that the browser remembers under `key`; anything unknown found there counts as `fallback`.
 * Where storage is blocked the choice holds until the page is left.
 */
export function useStored<T extends string>(key: string, choices: readonly T[], fallback: T): [T, (choice: T) => void] {
  const [choice, setChoice] = useState<T>(() => readStored(key, choices, fallback));
  const choose = useCallback(
    (next: T) => {
      setChoice(next);
      try {
        localStorage.setItem(key, next);
      } catch {
        // Storage is blocked or full: remembering is a comfort, the choice itself holds.
      }
    },
    [key],
  );
  return [choice, choose];
}

export function readStored<T extends string>(key: string, choices: readonly T[], fallback: T): T {
  try {
    const stored = localStorage.getItem(key);
    return choices.find((choice) => choice === stored) ?? fallback;
  } catch {
    return fallback; // storage is blocked
  }
}
