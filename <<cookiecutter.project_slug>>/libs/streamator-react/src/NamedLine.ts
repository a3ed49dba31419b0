import { useEffect, useMemo } from "react";
import { useEffectBeforePaint } from "./beforePaint.js";
import { goTo, placeOf } from "./goTo.js";
import type { PanelState } from "./panel.js";
import { useLatest } from "./useLatest.js";
import { useSnapshot, type Source } from "./useSnapshot.js";

const HASH: Source<string> = {
  getSnapshot: () => window.location.hash,
  subscribe(listener) {
    window.addEventListener("hashchange", listener);
    return () => window.removeEventListener("hashchange", listener);
  },
};

export interface NamedLineProps {
  readonly panel: PanelState;
  /** What stands before the number in the page's address; null where it is not looked at. */
  readonly prefix: string | null;
  readonly setAddressed: (line: number | null) => void;
}

/** Tells which line the page's address names, as in `#L123` where `prefix` is "L", and leads to the line to mark once it is there. */
export function NamedLine({ panel, prefix, setAddressed }: NamedLineProps): null {
  const { named, scroller, shown } = panel;
  const hash = useSnapshot(HASH, "");
  const number = prefix !== null && hash.startsWith(`#${prefix}`) ? hash.slice(prefix.length + 1) : "";
  const addressed = /^[0-9]{1,9}$/.test(number) ? Number(number) : null;
  useEffectBeforePaint(() => setAddressed(addressed), [setAddressed, addressed]);

  const isThere = useMemo(() => named !== null && placeOf(shown, named) !== -1, [shown, named]);
  const lead = useLatest((line: number) => goTo(panel, placeOf(shown, line)));
  useEffect(() => {
    if (named === null || !isThere) return;
    scroller.current?.scrollIntoView?.({ block: "nearest" });
    lead(named); // once for each address, when its line is there
  }, [named, isThere, scroller, lead]);
  return null;
}
