import { configure } from "@testing-library/react";
import { afterEach, vi } from "vitest";
import "../../src/ansi.js"; // there in the first render, as is
import "../../src/large.js";
import "../../src/toolbar.js";
import "../../src/recovery.js"; // which is loaded otherwise when the first stream opens: not by fake timers

// What a test waits for comes at once on a machine that has nothing else to do: this is for one that has.
configure({ asyncUtilTimeout: 10_000 });

const CLOCKS = ["setTimeout", "clearTimeout", "requestAnimationFrame", "cancelAnimationFrame", "performance", "Date"] as const;
const clocks = CLOCKS.map((name) => Reflect.get(globalThis, name) as unknown);

// The next file has the same page, and `restoreMocks` sees only the mocks of its own file.
afterEach(() => {
  vi.unstubAllGlobals(); // first: one that was put over a fake timer gives that back
  vi.useRealTimers();
  vi.restoreAllMocks();
  for (const [index, name] of CLOCKS.entries()) {
    if (Reflect.get(globalThis, name) !== clocks[index]) throw new Error(`the test has left a ${name} of its own to those after it`);
  }
  if (typeof document !== "undefined") document.body.replaceChildren();
});

// Where AbortController is Node's, as in a test that streams in Jest, jsdom's targets refuse its signals: no test may need that they take one.
const { addEventListener } = EventTarget.prototype;
EventTarget.prototype.addEventListener = function (type, listener, options) {
  if (typeof options === "object" && options.signal) throw new TypeError(`parameter 3 dictionary has member 'signal' that is not of type 'AbortSignal'`);
  addEventListener.call(this, type, listener, options);
};
