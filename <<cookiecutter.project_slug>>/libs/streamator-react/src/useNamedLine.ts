import { useSnapshot, type Source } from "./useSnapshot.js";

const HASH: Source<string> = {
  getSnapshot: () => window.location.hash,
  subscribe(listener) {
    window.addEventListener("hashchange", listener);
    return () => window.removeEventListener("hashchange", listener);
  },
};

/** The number of the line that the page's address names, as in `#L123` where `links` is "L"; null for none. */
export function useNamedLine(links: string | null): number | null {
  const hash = useSnapshot(HASH, "");
  const number = links !== null && hash.startsWith(`#${links}`) ? hash.slice(links.length + 1) : "";
  return /^[0-9]{1,9}$/.test(number) ? Number(number) : null;
}
