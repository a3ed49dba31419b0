// The page under measure: ?peer=...&n=...&rate=... . `bench.start()` streams, and resolves with what the page felt.
import { createElement } from "react";
import { createRoot } from "react-dom/client";
import { peers } from "./peers.jsx";

const query = new URLSearchParams(location.search);
const count = Number(query.get("n"));
const rate = Number(query.get("rate"));
const url = `/stream${location.search}`;
const button = document.getElementById("click");

const longTasks = [];
const LONG_TASKS = PerformanceObserver.supportedEntryTypes.includes("longtask"); // Chromium's alone
if (LONG_TASKS) new PerformanceObserver((list) => longTasks.push(...list.getEntries())).observe({ type: "longtask" });

const clicks = [];
button.addEventListener("click", (event) => {
  button.textContent = `clicks: ${clicks.length + 1}`;
  afterPaint(() => clicks.push(performance.now() - event.timeStamp));
});

/** Calls back once what was done so far is on the screen. */
function afterPaint(callback) {
  requestAnimationFrame(() => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      callback();
    };
    port2.postMessage(null);
  });
}

async function start() {
  const frames = [];
  const lags = [];
  let running = true;
  let previous = performance.now();
  const tick = () => {
    const now = performance.now();
    frames.push(now - previous);
    previous = now;
    if (running) requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);

  const began = performance.now();
  let seen = 0;
  await new Promise((resolve, reject) => {
    /** A peer calls it in a layout effect: how many lines it has rendered, and the newest of them. */
    const rendered = (lines, newest) => {
      if (lines === seen) return;
      seen = lines;
      const stamp = / @(\d+)/.exec(newest ?? "");
      if (stamp) afterPaint(() => lags.push(performance.timeOrigin + performance.now() - Number(stamp[1])));
      if (lines < count) return;
      // What was measured must be the whole log, no line twice.
      if (lines > count || !newest.startsWith(`line ${count} of `)) reject(new Error(`${lines} lines, the last is ${JSON.stringify(newest)}: not the ${count} that were sent`));
      afterPaint(resolve);
    };
    createRoot(document.getElementById("root")).render(createElement(peers[query.get("peer")], { url, rendered }));
  });
  const total = performance.now() - began;
  await new Promise((resolve) => setTimeout(resolve, 300)); // what it puts off until afterwards counts as well
  running = false;
  const tasks = longTasks.filter((task) => task.startTime >= began);
  return {
    total,
    blocking: LONG_TASKS ? tasks.reduce((sum, { duration }) => sum + duration - 50, 0) : null,
    blocked: frames.reduce((sum, time) => sum + Math.max(0, time - 50), 0),
    frame: Math.max(...frames),
    slow: frames.filter((time) => time > 50).length,
    lag: rank(lags, 0.98),
    nodes: document.getElementsByTagName("*").length,
  };
}

function rank(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted.length === 0 ? null : sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

globalThis.bench = { start, clicks: () => rank(clicks, 0.98) };
