// The panel under load, beside what one would use instead: `make bench-ui`, or
//   node run.mjs [--peers streamator,window,plain,logviewer] [--burst 10000,100000] [--steady 20] [--rounds 3]
// `before` and `before-tools` are the library of another tree, to see what a change costs: BEFORE=<its folder> node run.mjs --peers streamator,before
// Each measure is a fresh page of a production build in real Chromium; the table gives medians of the rounds (a steady
// stream has one), and the ratio to ours. `tools` is the panel with its toolbar, line links and ANSI colours on.
import { execFileSync, fork } from "node:child_process";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { build } from "vite";
import { launch } from "./chromium.mjs";

const here = import.meta.dirname;
const { values: options } = parseArgs({
  options: {
    peers: { type: "string", default: "streamator,window,logviewer,plain" },
    burst: { type: "string", default: "10000,100000" },
    steady: { type: "string", default: "20" }, // seconds at 1,000 lines a second; 0: none
    rounds: { type: "string", default: "3" },
    timeout: { type: "string", default: "90" }, // seconds for one page
  },
});
const peers = options.peers.split(",");
const rounds = Number(options.rounds);
const RATE = 1000;
const bursts = options.burst.split(",").map(Number).filter(Boolean);
const cases = bursts.map((count) => ({ title: `${count.toLocaleString("en")} lines in a burst`, count, rate: 0 }));
if (Number(options.steady) > 0) cases.push({ title: `${RATE} lines a second for ${options.steady} s`, count: Number(options.steady) * RATE, rate: RATE });

const chromium =
  process.env.CHROMIUM_PATH ||
  execFileSync("python3", [join(here, "../../../<<cookiecutter.project_slug>>/scripts/browser.py")], { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] }).trim();

await build({ configFile: join(here, "vite.config.mjs") });
const server = fork(join(here, "server.mjs"), bursts.map(String));
const port = await new Promise((resolve) => server.once("message", resolve));
const browser = await launch(chromium);
try {
  for (const { title, count, rate } of cases) {
    const results = new Map(peers.map((peer) => [peer, []]));
    for (let round = 0; round < (rate ? 1 : rounds); round += 1) {
      for (const peer of peers) {
        const earlier = results.get(peer);
        if (earlier.at(-1)?.total === null || (round > 0 && earlier[0].total > 10_000)) continue; // slow enough to be sure of it
        earlier.push(await measure(peer, count, rate));
      }
    }
    print(title, results);
  }
} finally {
  await browser.close();
  server.disconnect();
}

async function measure(peer, count, rate) {
  const page = await browser.page(`http://127.0.0.1:${port}/?peer=${peer}&n=${count}&rate=${rate}`);
  const { x, y } = await page.evaluate("(({ x, y, width, height }) => ({ x: x + width / 2, y: y + height / 2 }))(document.getElementById('click').getBoundingClientRect())");
  await page.send("Performance.enable", { timeDomain: "threadTicks" }); // what the page itself used, however busy the machine is
  const before = await spent(page);
  let streaming = true;
  const clicking = (async () => {
    while (streaming) {
      for (const type of ["mousePressed", "mouseReleased"]) await page.send("Input.dispatchMouseEvent", { type, x, y, button: "left", clickCount: 1 });
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  })();
  let timer;
  const tooLong = new Promise((resolve) => {
    timer = setTimeout(() => resolve({ total: null }), Number(options.timeout) * 1000 + (rate ? (count / rate) * 1000 : 0));
  });
  const result = await Promise.race([page.evaluate("bench.start()"), tooLong]);
  clearTimeout(timer);
  streaming = false;
  if (result.total !== null) {
    await clicking;
    const after = await spent(page);
    for (const [name, seconds] of Object.entries(after)) result[name] = 1000 * (seconds - before[name]);
    result.click = await page.evaluate("bench.clicks()");
    await page.send("HeapProfiler.collectGarbage");
    result.heap = (await page.send("Runtime.getHeapUsage")).usedSize / 1e6;
  }
  void clicking.catch(() => undefined); // the page is gone
  await page.close();
  return result;
}

/** Seconds of the main thread so far, by what Chromium says that it did with them. */
async function spent(page) {
  const { metrics } = await page.send("Performance.getMetrics");
  return Object.fromEntries(metrics.filter(({ name }) => name.endsWith("Duration")).map(({ name, value }) => [name, value]));
}

function print(title, results) {
  const columns = [
    ["total ms", "total"],
    ["main thread ms", "TaskDuration"],
    ["script ms", "ScriptDuration"],
    ["style ms", "RecalcStyleDuration"],
    ["layout ms", "LayoutDuration"],
    ["blocking ms", "blocking"],
    ["longest frame ms", "frame"],
    ["frames > 50 ms", "slow"],
    ["click p98 ms", "click"],
    ["lag p98 ms", "lag"],
    ["DOM nodes", "nodes"],
    ["heap MB", "heap"],
  ];
  console.log(`\n${title}`);
  console.log(["", ...columns.map(([name]) => name)].map((text, index) => (index === 0 ? text.padEnd(12) : text.padStart(18))).join(""));
  const first = medians(results.values().next().value, columns);
  for (const [peer, runs] of results) {
    const row = medians(runs, columns);
    const cells = row.map((value, index) => {
      if (value === null) return "-";
      const shown = value.toLocaleString("en", { maximumFractionDigits: value < 100 ? 1 : 0 });
      return peer === peers[0] || !first[index] ? shown : `${shown} (x${(value / first[index]).toPrecision(2).replace(/\.0$/, "")})`;
    });
    console.log(peer.padEnd(12) + cells.map((cell) => cell.padStart(18)).join("") + (runs.some(({ total }) => total === null) ? "  gave up" : ""));
  }
}

function medians(runs, columns) {
  return columns.map(([, key]) => {
    const values = runs.map((run) => run[key]).filter((value) => typeof value === "number");
    return values.length === 0 ? null : values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
  });
}
