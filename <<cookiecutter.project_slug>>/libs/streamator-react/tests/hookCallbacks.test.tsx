import { cleanup, render } from "@testing-library/react";
import * as fc from "fast-check";
import { useState, type ReactElement } from "react";
import { flushSync } from "react-dom";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { useJob, useLogStream, type StreamEvent } from "../src/index.js";
import { log } from "./support/fakes.js";
import { serveLog, turn } from "./support/logServer.js";

// Whatever a function of the user's does to the page, at whatever event. The same cases each time.
const SAME = { seed: 1, numRuns: 40 };

let reported: unknown[];
beforeEach(() => {
  reported = [];
  vi.stubGlobal("reportError", (error: unknown) => reported.push(error));
  vi.stubGlobal("IS_REACT_ACT_ENVIRONMENT", false);
});
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

type Act = "throw" | "close" | "reconnect" | "change" | "changeNow" | "unmount" | "clear";

const acts = fc.constantFrom<Act>("throw", "close", "reconnect", "change", "changeNow", "unmount", "clear");
const deeds = fc.array(fc.record({ at: fc.constantFrom("onEvent" as const, "formatEvent" as const), nth: fc.nat(16), act: acts }), { maxLength: 5 });

interface Told {
  readonly from: string;
  readonly id: number | null;
}

interface Handle {
  readonly close: () => void;
  readonly reconnect: () => void;
  readonly clear: () => void;
  readonly active: boolean;
}

interface PageProps {
  readonly name: string;
  readonly called: (at: "onEvent" | "formatEvent", from: string) => void;
  readonly told: (told: Told) => void;
  readonly use: (handle: Handle) => void;
}

function LogPage({ name, called, told, use }: PageProps): ReactElement {
  const stream = useLogStream(`/log/${name}/stream`, {
    formatEvent: (event) => {
      called("formatEvent", name);
      return event.message ?? null;
    },
    onEvent: (_, id) => {
      told({ from: name, id });
      called("onEvent", name);
    },
  });
  use(stream);
  return <p>{stream.logs.length}</p>;
}

function JobPage({ name, called, told, use }: PageProps): ReactElement {
  const { stream } = useJob(null, {
    jobId: name,
    resultUrl: null,
    formatEvent: (event) => {
      called("formatEvent", name);
      return event.message ?? null;
    },
    onEvent: (_, id) => {
      told({ from: name, id });
      called("onEvent", name);
    },
  });
  use(stream);
  return <p>{stream.logs.length}</p>;
}

it.each([["useLogStream", LogPage], ["useJob", JobPage]] as const)("%s does what it is told, tells each event once, and reports each error once", async (_, Page) => {
  await fc.assert(
    fc.asyncProperty(fc.nat(10), fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 3 }), deeds, async (count, sizes, all) => {
      const events: StreamEvent[] = [...Array.from({ length: count }, (__, index) => log(`${index + 1}`, index)), { event: "done", t: count, status: "completed" }];
      serveLog(events, sizes);
      reported.length = 0;
      const told: Told[] = [];
      const faults: string[] = [];
      const calls = new Map<string, number>();
      let handle: Handle | null = null;
      let setName: (name: string) => void = () => undefined;
      let wanted = "a"; // what the page has been changed to at once
      let closed = false;
      let unmounted = false;
      let thrown = 0;

      const called = (at: "onEvent" | "formatEvent", from: string): void => {
        const nth = calls.get(at) ?? 0;
        calls.set(at, nth + 1);
        if (closed) faults.push(`${at} after close()`);
        if (unmounted) faults.push(`${at} after the page was left`);
        if (from < wanted) faults.push(`${at} of ${from} on the page of ${wanted}`);
        for (const { act } of all.filter((one) => one.at === at && one.nth === nth).slice(0, 1)) {
          if (act === "close") {
            closed = true;
            handle?.close();
          }
          if (act === "reconnect") handle?.reconnect();
          if (act === "clear") handle?.clear();
          if (act === "change") setName("b");
          if (act === "changeNow") {
            wanted = "c";
            closed = false; // another stream, which nobody has closed
            flushSync(() => setName("c"));
          }
          if (act === "unmount") {
            unmounted = true;
            view.unmount();
          }
          if (act === "throw") {
            thrown += 1;
            throw new Error(`${at} ${nth}`);
          }
        }
      };
      const keep = (name: string, set: (name: string) => void): void => {
        setName = (next) => {
          if (next <= name) return; // there is no way back
          closed = false;
          set(next);
        };
      };
      function App(): ReactElement {
        const [name, set] = useState("a");
        keep(name, set);
        return <Page name={name} called={called} told={(one) => told.push(one)} use={(now) => (handle = now)} />;
      }
      const view = render(<App />);
      for (let still = 0, before = -1; still < 8; still += 1) {
        await turn();
        if (told.length !== before) still = 0;
        before = told.length;
        if (closed && still > 4) {
          closed = false;
          (handle as Handle | null)?.reconnect();
          still = 0;
        }
      }
      view.unmount();

      expect(faults).toEqual([]);
      for (const name of ["a", "b", "c"]) {
        const ids = told.filter(({ from }) => from === name).map(({ id }) => id);
        const whole = events.map((__, index) => index + 1);
        const last = told.at(-1)?.from === name && !unmounted;
        expect(ids).toEqual(last ? whole : whole.slice(0, ids.length));
      }
      expect(reported).toHaveLength(thrown);
    }),
    SAME,
  );
});
