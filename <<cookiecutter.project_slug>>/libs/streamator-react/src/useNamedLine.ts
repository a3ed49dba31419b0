import { useSnapshot, type Source } from "./useSnapshot.js";

const HASH: Source<string> = {
  getSnapshot: () => window.location.hash,
  subscribe(listener) {
    window.addEventListener("hashchange", listener);
    return () => window.removeEventListener("hashchange", listener);
  },
};

/** The number of the line that the page's address names, as in `#L123` where `prefix` is "L"; null for none. */
export function useNamedLine(prefix: string | null): number | null {
  const hash = useSnapshot(HASH, "");
  const number = prefix !== null && hash.startsWith(`#${prefix}`) ? hash.slice(prefix.length + 1) : "";
  return /^[0-9]{1,9}$/.test(number) ? Number(number) : null;
}
