import { useRef, useState } from "react";
import { useEffectBeforePaint } from "./beforePaint.js";

/** A function that stays the same, and does what the given one does as of the last render. For effects and listeners. */
export function useLatest<Args extends readonly unknown[], Result>(act: (...args: Args) => Result): (...args: Args) => Result {
  const latest = useRef(act);
  useEffectBeforePaint(() => {
    latest.current = act;
  });
  const [stable] = useState(() => (...args: Args) => latest.current(...args));
  return stable;
}
