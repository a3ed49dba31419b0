/** Hash routes, enough for a few pages: `#/jobs/abc` is the path "/jobs/abc". */

import { useSyncExternalStore } from "react";

/** The current path, always with a leading slash. */
export function usePath(): string {
  return useSyncExternalStore(subscribe, currentPath);
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

/** A link's href for a pattern and its values: `href("/jobs/:id", { id })`. */
export function href(pattern: string, params: Readonly<Record<string, string>> = {}): string {
  return `#${pattern.replace(/:(\w+)/g, (_, name: string) => encodeURIComponent(params[name] ?? ""))}`;
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
  const path = location.hash.replace(/^#/, "");
  return path.startsWith("/") ? path : "/";
}
