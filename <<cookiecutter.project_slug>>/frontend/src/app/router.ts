/** Hash routes, enough for a few pages: `#/jobs/abc?line=7` is the path "/jobs/abc" and the query `line`. */

import { useSyncExternalStore } from "react";

/** The current path, always with a leading slash. */
export function usePath(): string {
  return useSyncExternalStore(subscribe, currentPath);
}

/** What the address asks for by `name`, null for nothing: "7" for `line` in `#/jobs/abc?line=7`. */
export function useQuery(name: string): string | null {
  return useSyncExternalStore(subscribe, () => new URLSearchParams(hash().split("?")[1]).get(name));
}

/** Goes to `path`; with `replace`, without a new entry in the browser's history. */
export function navigate(path: string, options?: { replace?: boolean }): void {
  if (options?.replace) {
    history.replaceState(history.state, "", `#${path}`);
    globalThis.dispatchEvent(new HashChangeEvent("hashchange"));
  } else {
    location.hash = path;
  }
}

/** A link's href for a pattern and its values, and a query: `href("/jobs/:id", { id }, { line: "7" })`. */
export function href(pattern: string, params: Readonly<Record<string, string>> = {}, query: Readonly<Record<string, string>> = {}): string {
  const path = pattern.replace(/:(\w+)/g, (_, name: string) => encodeURIComponent(params[name] ?? ""));
  const search = new URLSearchParams(query).toString();
  return search === "" ? `#${path}` : `#${path}?${search}`;
}

/** The values of `pattern` in `path`, or null when it does not match: `match("/jobs/:id", "/jobs/7")` is `{ id: "7" }`. */
export function match(pattern: string, path: string): Record<string, string> | null {
  const want = pattern.split("/");
  const have = path.split("/");
  if (want.length !== have.length) return null;
  const params: Record<string, string> = {};
  for (const [index, part] of want.entries()) {
    const value = have[index] ?? "";
    if (!part.startsWith(":")) {
      if (part !== value) return null;
      continue;
    }
    if (value === "") return null;
    try {
      params[part.slice(1)] = decodeURIComponent(value);
    } catch {
      return null; // a lone % that somebody typed
    }
  }
  return params;
}

function subscribe(listener: () => void): () => void {
  globalThis.addEventListener("hashchange", listener);
  return () => globalThis.removeEventListener("hashchange", listener);
}

function currentPath(): string {
  const path = hash().split("?")[0] ?? "";
  return path.startsWith("/") ? path : "/";
}

function hash(): string {
  return location.hash.replace(/^#/, "");
}
