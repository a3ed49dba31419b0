import { useRef, useState, type RefObject } from "react";
import { useEffectBeforePaint } from "./beforePaint.js";
import { makeFollower, type Follower } from "./followEnd.js";

/** Whether the end is kept in view, and the hand on it. `onChange` is told when the reader leaves or comes back. */
export function useFollowing(
  scroller: RefObject<HTMLElement | null>,
  content: RefObject<HTMLElement | null>,
  wanted: boolean,
  onChange: (following: boolean) => void,
): { readonly following: boolean; readonly follower: Follower } {
  const [follower] = useState(makeFollower);
  const [following, setFollowing] = useState(true);
  const latest = useRef(onChange);
  useEffectBeforePaint(() => {
    latest.current = onChange;
  });
  useEffectBeforePaint(() => {
    if (!wanted) follower.reset();
    if (!wanted || !scroller.current || !content.current) return undefined;
    return follower.attach(scroller.current, content.current, (now) => {
      setFollowing(now);
      latest.current(now);
    });
  }, [wanted, follower, scroller, content]);
  return { following: following && wanted, follower };
}
