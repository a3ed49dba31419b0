import { configure } from "@testing-library/react";
import { afterEach, vi } from "vitest";

// What a test waits for comes at once on a machine that has nothing else to do: this is for one that has.
configure({ asyncUtilTimeout: 10_000 });

// The next file has the same page, and `restoreMocks` sees only the mocks of its own file.
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
  if (typeof document !== "undefined") document.body.replaceChildren();
});
