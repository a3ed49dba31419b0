import { configure } from "@testing-library/react";
import { afterEach, vi } from "vitest";
import "../../src/ansi.js"; // so that the first render has it, and the parts below
import "../../src/large.js";
import "../../src/toolbar.js";
import "../../src/recovery.js"; // otherwise the first stream loads it, which fake timers do not wait for

// An idle machine needs far less: this is for a busy one.
configure({ asyncUtilTimeout: 10_000 });

const CLOCKS = ["setTimeout", "clearTimeout", "requestAnimationFrame", "cancelAnimationFrame", "performance", "Date"] as const;
const clocks = CLOCKS.map((name) => Reflect.get(globalThis, name) as unknown);

// All files share one page, and `restoreMocks` restores only the mocks of its own file.
afterEach(() => {
  vi.unstubAllGlobals(); // first: it may put a fake timer back
  vi.useRealTimers();
  vi.restoreAllMocks();
  for (const [index, name] of CLOCKS.entries()) {
    if (Reflect.get(globalThis, name) !== clocks[index]) throw new Error(`the test has left a ${name} of its own to those after it`);
  }
  if (typeof document !== "undefined") document.body.replaceChildren();
});

// If AbortController is Node's, as in Jest with streams, jsdom's targets refuse its signals. So the library must not pass one.
const { addEventListener } = EventTarget.prototype;
EventTarget.prototype.addEventListener = function (type, listener, options) {
  if (typeof options === "object" && options.signal) throw new TypeError(`parameter 3 dictionary has member 'signal' that is not of type 'AbortSignal'`);
  addEventListener.call(this, type, listener, options);
};
