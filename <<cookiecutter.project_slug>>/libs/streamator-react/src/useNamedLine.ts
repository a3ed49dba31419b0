import { useEffect, useState } from "react";

/** The number of the line that the page's address names, as in `#L123` where `prefix` is "L"; null for none. */
export function useNamedLine(prefix: string | null): number | null {
  const [named, setNamed] = useState<number | null>(null);
  useEffect(() => {
    if (prefix === null) return undefined;
    const read = (): void => {
      const { hash } = window.location;
      const number = hash.startsWith(`#${prefix}`) ? hash.slice(prefix.length + 1) : "";
      setNamed(/^[0-9]{1,9}$/.test(number) ? Number(number) : null);
    };
    read();
    window.addEventListener("hashchange", read);
    return () => window.removeEventListener("hashchange", read);
  }, [prefix]);
  return prefix === null ? null : named;
}
