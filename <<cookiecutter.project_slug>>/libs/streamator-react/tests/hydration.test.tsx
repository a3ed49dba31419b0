import { act } from "@testing-library/react";
import type * as React from "react";
import type { ReactElement } from "react";
import { hydrateRoot } from "react-dom/client";
import { renderToString } from "react-dom/server";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type * as Library from "../src/index.js";
import type { ConnectionView, LogEntry, LogLevel } from "../src/index.js";

const BEGAN = Date.UTC(2030, 0, 1, 22, 30, 0);

/** What differs between machines: time zone, language of numbers and times, clock. */
interface Machine {
  readonly zone: string;
  readonly language: string;
  readonly now: number;
}
const SERVER: Machine = { zone: "Asia/Tokyo", language: "ar-EG", now: BEGAN + 4_000 };
const BROWSER: Machine = { zone: "America/New_York", language: "de-DE", now: BEGAN + 70_000 };

/** Makes this process that machine, and loads the library on it. */
async function loadOn({ zone, language, now }: Machine, parts: boolean): Promise<typeof Library> {
  vi.resetModules();
  vi.stubEnv("TZ", zone);
  vi.setSystemTime(now);
  const { DateTimeFormat, NumberFormat } = RealIntl;
  vi.spyOn(Intl, "DateTimeFormat").mockImplementation(function format(locale, options) {
    return new DateTimeFormat(locale ?? language, { timeZone: zone, ...options });
  } as typeof Intl.DateTimeFormat);
  vi.spyOn(Intl, "NumberFormat").mockImplementation(function format(locale, options) {
    return new NumberFormat(locale ?? language, options);
  } as typeof Intl.NumberFormat);
  vi.spyOn(Number.prototype, "toLocaleString").mockImplementation(function text(this: number, locale, options) {
    return new NumberFormat((locale as string | undefined) ?? language, options).format(Number(this));
  });
  const library = await import("../src/index.js");
  if (parts) {
    await import("../src/large.js");
    await import("../src/toolbar.js");
  }
  return library;
}
const RealIntl = { DateTimeFormat: Intl.DateTimeFormat, NumberFormat: Intl.NumberFormat };

const levels: LogLevel[] = ["info", "success", "warning", "error"];
const lines = (count: number): LogEntry[] =>
  Array.from({ length: count }, (_, index) => ({ text: `\u001b[31mline\u001b[0m ${index}`, t: `${index}.0s`, seconds: index, level: levels[index % 4] as LogLevel, id: index + 1, line: index + 1, event: "log" }));
const calm: ConnectionView = { status: "open", error: null, outcome: null, attempt: 0, dropped: 1234, missed: 5678, resumes: 1, retryAt: null };
const stages = [{ id: "a", label: "A" }, { id: "b", label: "B" }];

const pages: Record<string, (library: typeof Library) => ReactElement> = {
  "a bare log": ({ LogPanel }) => <LogPanel logs={lines(5)} active />,
  "a log that waits": ({ LogPanel }) => <LogPanel logs={[]} active />,
  "a log of many lines": ({ LogPanel }) => <LogPanel logs={lines(1_100)} active={false} />,
  "a log with the time of day": ({ LogPanel }) => <LogPanel logs={lines(5)} active time="wall" startedAt={BEGAN} />,
  "a log with all tools": ({ LogPanel }) => <LogPanel logs={lines(220)} active toolbar ansi lineLinks time="wall" startedAt={new Date(BEGAN)} connection={calm} />,
  "a window": ({ LogPanel }) => <LogPanel logs={lines(5_000)} active toolbar renderer="window" time="wall" startedAt={BEGAN} />,
  "a log that reconnects": ({ LogPanel }) => <LogPanel logs={lines(5)} active connection={{ ...calm, status: "reconnecting", retryAt: BEGAN + 80_000 }} />,
  "a log of one's own rows": ({ LogPanel }) => <LogPanel logs={lines(5)} active renderEntry={({ text }, index) => <p>{`${index} ${text}`}</p>} />,
  "progress that runs": ({ ProgressPanel }) => <ProgressPanel percent={40} stages={stages} step="b" startedAt={BEGAN} />,
  "progress that has ended": ({ ProgressPanel }) => <ProgressPanel state="failed" percent={40} startedAt={new Date(BEGAN)} endedAt={BEGAN + 61_000} />,
  "progress of what was lost": ({ ProgressPanel }) => <ProgressPanel state="lost" startedAt={BEGAN} />,
  "a draft": ({ DraftPanel }) => <DraftPanel text="One." active title="Draft" />,
  "those at work": ({ ActivityPanel }) => (
    <ActivityPanel
      activities={[
        { id: "a", name: "a", status: "running", updatedAt: BEGAN, progress: 5 },
        { id: "b", name: "b", status: "running", updatedAt: "2030-01-01T22:30:00" }, // without a zone: another moment on each machine
        { id: "c", name: "c", status: "idle", updatedAt: null },
      ]}
    />
  ),
  "a stream": ({ LogPanel, useLogStream }) => {
    function Page(): ReactElement {
      const stream = useLogStream("/log/1/stream");
      return <LogPanel logs={stream.logs} active={stream.active} connection={stream} toolbar />;
    }
    return <Page />;
  },
  "a job": ({ LogPanel, ProgressPanel, useJob }) => {
    function Page(): ReactElement {
      const job = useJob(null, { jobId: "1" });
      return (
        <>
          <ProgressPanel {...job.progress} state={job.state} startedAt={job.startedAt} endedAt={job.endedAt} />
          <LogPanel logs={job.stream.logs} active={job.stream.active} connection={job.stream} />
        </>
      );
    }
    return <Page />;
  },
};

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("fetch", () => new Promise(() => undefined));
  window.location.hash = "#L3";
});

afterEach(() => {
  vi.resetModules(); // loaded modules keep the language and the time zone
  vi.unstubAllEnvs();
  window.location.hash = "";
  document.body.innerHTML = "";
});

/** Whether React has the stores of React 18. */
const hasStores = vi.hoisted(() => ({ now: true }));
vi.mock("react", async (importOriginal) => {
  const react = await importOriginal<typeof React>();
  return { ...react, useSyncExternalStore: hasStores.now ? react.useSyncExternalStore : undefined };
});

/** Hydrates the server's page. Returns React's messages, and the texts of both. */
async function take(name: string, parts: boolean): Promise<{ remarks: unknown[]; before: string; after: string; done: () => void }> {
  const page = pages[name] as (library: typeof Library) => ReactElement;
  const html = renderToString(page(await loadOn(SERVER, parts)));
  vi.restoreAllMocks();
  const library = await loadOn(BROWSER, parts);
  const remarks: unknown[] = [];
  vi.spyOn(console, "error").mockImplementation((...remark) => void remarks.push(remark));
  const container = document.body.appendChild(document.createElement("div"));
  container.innerHTML = html;
  const before = container.textContent ?? "";
  const root = await act(async () => hydrateRoot(container, page(library), { onRecoverableError: (error) => void remarks.push(error) }));
  return { remarks, before, after: container.textContent ?? "", done: () => act(() => root.unmount()) };
}

describe.each([true, false])("a page that a server in another place has rendered is hydrated without a message on the console (stores of React 18: %s)", (now) => {
  beforeEach(() => {
    hasStores.now = now;
  });
  afterEach(() => {
    hasStores.now = true;
  });

  it.each(Object.keys(pages))("%s", async (name) => {
    for (const parts of [false, true]) {
      const { remarks, done } = await take(name, parts);
      expect(remarks).toEqual([]);
      done();
    }
  });
});

it("a server renders the toolbar if the page imports it", async () => {
  const withIt = await take("a log with all tools", true);
  expect(withIt.before).toContain("55 errors");
  withIt.done();
  const without = await take("a log with all tools", false);
  expect(without.before).not.toContain("55 errors");
  without.done();
});

it("clock, time zone and language matter only after hydration", async () => {
  const log = await take("a log with the time of day", false);
  expect(log.before).toContain("--:--:-- line".replace("line", "\u001b[31mline"));
  expect(log.after).toContain("17:30:00");
  log.done();
  const progress = await take("progress that runs", false);
  expect(progress.before).not.toMatch(/min|\ds/);
  expect(progress.after).toContain("1 min 10 s");
  progress.done();
  const work = await take("those at work", false);
  expect(work.before).not.toContain("ago");
  expect(work.after).toContain("no sign for 1 min 10 s");
  work.done();
  const stream = await take("a log that reconnects", true);
  expect(stream.before).toContain("Reconnecting…");
  expect(stream.after).toContain("Reconnecting in 10 s");
  stream.done();
});
