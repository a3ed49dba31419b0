import { configure } from "@testing-library/react";
import { afterEach, vi } from "vitest";
import "../../src/ansi.js"; // there in the first render, as is
import "../../src/large.js";
import "../../src/toolbar.js";
import "../../src/recovery.js"; // which is loaded otherwise when the first stream opens: not by fake timers

// What a test waits for comes at once on a machine that has nothing else to do: this is for one that has.
configure({ asyncUtilTimeout: 10_000 });

// The next file has the same page, and `restoreMocks` sees only the mocks of its own file.
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
  if (typeof document !== "undefined") document.body.replaceChildren();
});

// Where AbortController is Node's, as in a test that streams in Jest, jsdom's targets refuse its signals: no test may need that they take one.
const { addEventListener } = EventTarget.prototype;
EventTarget.prototype.addEventListener = function (type, listener, options) {
  if (typeof options === "object" && options.signal) throw new TypeError(`parameter 3 dictionary has member 'signal' that is not of type 'AbortSignal'`);
  addEventListener.call(this, type, listener, options);
};
