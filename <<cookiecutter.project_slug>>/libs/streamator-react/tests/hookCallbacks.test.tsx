import { cleanup, render } from "@testing-library/react";
import * as fc from "fast-check";
import { useState, type ReactElement } from "react";
import { flushSync } from "react-dom";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import "../src/eventsource.js";
import { useJob, useLogStream, type LogStreamOptions, type StreamEvent, type StreamMode } from "../src/index.js";
import "../src/poll.js";
import "../src/ws.js";
import { log } from "./support/fakes.js";
import { serveLog, turn } from "./support/logServer.js";

// The user's functions do anything to the page, at any event. Each run has the same cases.
const SAME = { seed: 1, numRuns: 50 };

let reported: unknown[];
beforeEach(() => {
  reported = [];
  vi.stubGlobal("reportError", (error: unknown) => reported.push(error));
  vi.stubGlobal("IS_REACT_ACT_ENVIRONMENT", false);
  vi.spyOn(Math, "random").mockReturnValue(0); // no wait between attempts
});
afterEach(cleanup);

type At = "onEvent" | "formatEvent" | "onOpen" | "headers" | "signUrl";
type Act = "throw" | "close" | "reconnect" | "change" | "changeNow" | "unmount" | "clear";

const acts = fc.constantFrom<Act>("throw", "close", "reconnect", "change", "changeNow", "unmount", "clear");
const often = fc.record({ at: fc.constantFrom<At>("onEvent", "formatEvent"), nth: fc.nat(10), act: acts });
const seldom = fc.record({ at: fc.constantFrom<At>("onOpen", "headers", "signUrl"), nth: fc.nat(2), act: acts });
const deeds = fc.array(fc.oneof({ weight: 3, arbitrary: often }, seldom), { minLength: 1, maxLength: 5 });

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
  readonly mode: StreamMode;
  readonly called: (at: At, from: string) => void;
  readonly told: (told: Told) => void;
  readonly use: (handle: Handle) => void;
}

function optionsOf({ name, mode, called, told }: PageProps): LogStreamOptions {
  return {
    mode,
    interval: 0,
    headers: () => {
      called("headers", name);
      return {};
    },
    signUrl: (url) => {
      called("signUrl", name);
      return url;
    },
    onOpen: () => called("onOpen", name),
    formatEvent: (event) => {
      called("formatEvent", name);
      return event.message ?? null;
    },
    onEvent: (_, id) => {
      told({ from: name, id });
      called("onEvent", name);
    },
  };
}

function LogPage(props: PageProps): ReactElement {
  const stream = useLogStream(`/log/${props.name}/stream`, optionsOf(props));
  props.use(stream);
  return <p>{stream.logs.length}</p>;
}

function JobPage(props: PageProps): ReactElement {
  const { stream } = useJob(null, { jobId: props.name, resultUrl: null, ...optionsOf(props) });
  props.use(stream);
  return <p>{stream.logs.length}</p>;
}

const PAGES = [["useLogStream", LogPage], ["useJob", JobPage]] as const;
const MODES: readonly StreamMode[] = ["sse", "eventsource", "poll", "ws"];

describe.each(PAGES)("%s", (_, Page) => {
  it.each(MODES)("does what it is told, tells each event once, and reports each error once, by %s", async (mode) => {
    await fc.assert(
      fc.asyncProperty(fc.nat(10), fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 3 }), deeds, async (count, sizes, all) => {
        const events: StreamEvent[] = [...Array.from({ length: count }, (__, index) => log(`${index + 1}`, index)), { event: "done", t: count, status: "completed" }];
        const server = serveLog(events, sizes);
        reported.length = 0;
        const told: Told[] = [];
        const faults: string[] = [];
        const calls = new Map<string, number>();
        let handle: Handle | null = null;
        let setName: (name: string) => void = () => undefined;
        let wanted = "a"; // the stream that the page shows after the change
        let closed = false;
        let unmounted = false;
        let thrown = 0;

        const called = (at: At, from: string): void => {
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
              closed = false; // the new stream is not closed
              flushSync(() => setName("c"));
            }
            if (act === "unmount") {
              unmounted = true;
              view.unmount();
            }
            if (act === "throw") {
              if (at !== "headers" && at !== "signUrl") thrown += 1; // otherwise it tries again, which the state shows
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
          return <Page name={name} mode={mode} called={called} told={(one) => told.push(one)} use={(now) => (handle = now)} />;
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

        expect(server.held()).toBe(0);
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
});
