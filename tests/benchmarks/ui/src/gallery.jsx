// The panel in its states, to be looked at: `node gallery.mjs` takes pictures of it.
import { useEffect, useState } from "react";
import { createRoot } from "react-dom/client";
import { LogPanel } from "streamator-react";
import "streamator-react/log.css";

const LEVELS = ["info", "info", "success", "info", "warning", "info", "error"];
const SENTENCES = [
  "Fetching https://example.org/articles/4711",
  "Read 48,213 bytes of text/html",
  "Stored as document 12",
  "A line that is long enough to wrap on a narrow screen, with a_word_that_is_itself_rather_long_and_has_no_space_in_it to break",
  "Rate limited: waiting 2 s",
  "Trying again",
  "Could not parse the table of contents: unexpected end of file",
];
const lines = (count) =>
  Array.from({ length: count }, (_, index) => ({ text: SENTENCES[index % 7], level: LEVELS[index % 7], t: index * 1.37, line: index + 1, id: index + 1, event: "log" }));
const ansi = [
  "\u001b[32mPASS\u001b[0m tests/store.test.ts \u001b[2m(19 tests)\u001b[0m 13 ms",
  "\u001b[1;31mFAIL\u001b[0m tests/panel.test.ts \u001b[33m1 slow\u001b[0m \u001b[4munderlined\u001b[24m \u001b[38;5;208morange\u001b[0m \u001b[38;2;120;120;255mrgb\u001b[0m",
  `${[...Array(8).keys()].map((code) => `\u001b[3${code}mcolour ${code}`).join(" ")}\u001b[0m ${[...Array(8).keys()].map((code) => `\u001b[4${code}m ${code} \u001b[0m`).join("")}`,
].map((text, index) => ({ text, t: index, level: "info", line: index + 1 }));
const calm = { status: "open", error: null, outcome: null, attempt: 0, dropped: 0, missed: 0, resumes: 0, retryAt: null };
const states = [
  { ...calm, resumes: 1, dropped: 1240 },
  { ...calm, status: "reconnecting", retryAt: Date.now() + 3_600, attempt: 2 },
  { ...calm, status: "failed", error: { kind: "gone", message: "/api/log/1/stream answered 404: there is no such job" } },
  { ...calm, status: "ended", outcome: "completed" },
];

function Growing() {
  const [count, setCount] = useState(100);
  useEffect(() => {
    const timer = setInterval(() => setCount((before) => Math.min(before + 1, 112)), 50);
    return () => clearInterval(timer);
  }, []);
  return <LogPanel logs={lines(count)} active connection={calm} />;
}

function Gallery() {
  return (
    <>
      <section><h2>Bare, waiting</h2><LogPanel logs={[]} active /></section>
      <section><h2>Bare</h2><LogPanel logs={lines(40)} active /></section>
      <section id="full"><h2>All of it</h2><LogPanel logs={lines(40_000)} active toolbar lineLinks startedAt={Date.UTC(2026, 0, 1)} connection={calm} maxHeight="260px" /></section>
      <section id="growing"><h2>Scrolled away</h2><Growing /></section>
      <section><h2>ANSI</h2><LogPanel logs={ansi} active={false} ansi /></section>
      <section><h2>Window</h2><LogPanel logs={lines(40_000)} active toolbar renderer="window" /></section>
      {states.map((state) => (
        <section key={state.status}><h2>{state.status}</h2><LogPanel logs={lines(2)} active connection={state} /></section>
      ))}
    </>
  );
}

createRoot(document.getElementById("root")).render(<Gallery />);
globalThis.bench = {};
