import { useState, type RefObject } from "react";
import { useEffectBeforePaint, useLatest } from "../hooks/useLatest.js";
import { makeFollower, type Follower } from "./followEnd.js";

/** Keeps the end of `scroller` in view while `wanted`. `onChange` gets whether the reader left or came back. */
export function useFollowing(
  scroller: RefObject<HTMLElement | null>,
  content: RefObject<HTMLElement | null>,
  wanted: boolean,
  onChange?: (following: boolean) => void,
): { readonly following: boolean; readonly follower: Follower } {
  const [follower] = useState(makeFollower);
  const [following, setFollowing] = useState(true);
  const tell = useLatest((now: boolean) => {
    setFollowing(now);
    onChange?.(now);
  });
  useEffectBeforePaint(() => {
    if (!wanted) follower.reset();
    if (!wanted || !scroller.current || !content.current) return undefined;
    return follower.attach(scroller.current, content.current, tell);
  }, [wanted, follower, scroller, content, tell]);
  return { following: following && wanted, follower };
}
