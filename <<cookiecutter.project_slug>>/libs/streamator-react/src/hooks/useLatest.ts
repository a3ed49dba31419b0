import { useEffect, useLayoutEffect, useRef, useState, type RefObject } from "react";
import { listen } from "../listen.js";

/** useLayoutEffect. On a server useEffect, because React 17 and 18 warn of the other there. */
export const useEffectBeforePaint = typeof document === "undefined" ? useEffect : useLayoutEffect;

/** A function that stays the same and calls the `act` of the last render. For effects and listeners. */
export function useLatest<Args extends readonly unknown[], Result>(act: (...args: Args) => Result): (...args: Args) => Result {
  const latest = useRef(act);
  useEffectBeforePaint(() => {
    latest.current = act;
  });
  const [stable] = useState(() => (...args: Args) => latest.current(...args));
  return stable;
}

/** Calls the `act` of the last render for each event of an element. */
export function useListener<Given extends Event>(element: RefObject<EventTarget | null>, type: string, act: (event: Given) => void): void {
  const latest = useLatest(act);
  useEffect(() => listen(element.current, type, latest), [element, type, latest]);
}
