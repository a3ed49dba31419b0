import { useEffect, useMemo } from "react";
import { useEffectBeforePaint, useLatest } from "../hooks/useLatest.js";
import { useSnapshot, type Source } from "../hooks/useSnapshot.js";
import { listen } from "../listen.js";
import { goTo, placeOf, type PanelState } from "./panel.js";

const HASH: Source<string> = {
  getSnapshot: () => window.location.hash,
  subscribe: (listener) => listen(window, "hashchange", listener),
};

export interface NamedLineProps {
  readonly panel: PanelState;
  /** What is before the number in the page's hash; null: do not read the hash. */
  readonly prefix: string | null;
  readonly setAddressed: (line: number | null) => void;
}

/** Reads the linked line from the page's address, as in `#L123` with the prefix "L". Scrolls to the marked line once it is there. */
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
    lead(named); // once for each address
  }, [named, isThere, scroller, lead]);
  return null;
}
