import { useEffect, useState } from "react";

/** The number of the line that the page's address names, as in `#L123` where `links` is "L"; null for none. */
export function useNamedLine(links: string | null): number | null {
  const [named, setNamed] = useState<number | null>(null);
  useEffect(() => {
    if (links === null) return undefined;
    const read = (): void => {
      const { hash } = window.location;
      const number = hash.startsWith(`#${links}`) ? hash.slice(links.length + 1) : "";
      setNamed(/^[0-9]{1,9}$/.test(number) ? Number(number) : null);
    };
    read();
    window.addEventListener("hashchange", read);
    return () => window.removeEventListener("hashchange", read);
  }, [links]);
  return links === null ? null : named;
}
