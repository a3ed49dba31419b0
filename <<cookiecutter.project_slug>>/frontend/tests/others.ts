/** Those who change the page beside React: browsers' translators, extensions, password managers. */

import "streamator-react/poll"; // what is loaded when it is first used would come at another time in each scenario
import "streamator-react/recovery";
import { cleanup } from "@testing-library/react";
import { guard } from "streamator-react";
import { afterEach, beforeEach, vi } from "vitest";
import { OTHERS as OTHERS_OF_PANELS, wrapper } from "../../libs/streamator-react/tests/support/others";

export { playTwice } from "../../libs/streamator-react/tests/support/others";
export type { Step } from "../../libs/streamator-react/tests/support/others";

guard(Node.prototype); // as main.tsx does

// Each scenario of a file that imports this begins at the same moment.
beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
  vi.spyOn(Math, "random").mockReturnValue(0.5); // the jitter of reconnects
});
afterEach(() => {
  cleanup();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

export const OTHERS = [...OTHERS_OF_PANELS, ["an extension that wraps elements", wrapper("p, li, a, button, section")] as const];
