import { useEffect, useRef, useState, type RefObject } from "react";
import { useEffectBeforePaint } from "./beforePaint.js";
import { followEnd, type Follower } from "./followEnd.js";

/** Whether the end is kept in view, and the hand on it. `onChange` is told when the reader leaves or comes back. */
export function useFollowing(
  scroller: RefObject<HTMLElement | null>,
  content: RefObject<HTMLElement | null>,
  wanted: boolean,
  onChange: (following: boolean) => void,
): { readonly following: boolean; readonly follower: RefObject<Follower | null> } {
  const follower = useRef<Follower | null>(null);
  const [following, setFollowing] = useState(wanted);
  const latest = useRef(onChange);
  useEffect(() => {
    latest.current = onChange;
  });
  useEffectBeforePaint(() => {
    if (!wanted || !scroller.current || !content.current) return undefined;
    const started = followEnd(scroller.current, content.current, (now) => {
      setFollowing(now);
      latest.current(now);
    });
    follower.current = started;
    setFollowing(true);
    return () => {
      started.stop();
      follower.current = null;
      setFollowing(false);
    };
  }, [wanted, scroller, content]);
  return { following, follower };
}
