// The panel under load, beside what one would use instead: `make bench-ui`, or
//   node run.mjs [--peers streamator,window,plain,logviewer] [--burst 10000,100000] [--steady 20] [--rounds 3] [--engine webkit]
// `before` and `before-tools` are the library of another tree, to see what a change costs: BEFORE=<its folder> node run.mjs --peers streamator,before
// Each measure is a fresh page of a production build in real Chromium; the table gives medians of the rounds (a steady
// stream has one), and the ratio to ours. `tools` is the panel with its toolbar, line links and ANSI colours on.
import { fork } from "node:child_process";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { build } from "vite";
import { chromiumPath, launch, spent } from "./chromium.mjs";
import { launch as launchWebKit } from "./webkit.mjs";

const here = import.meta.dirname;
const { values: options } = parseArgs({
  options: {
    peers: { type: "string", default: "streamator,window,logviewer,plain" },
    burst: { type: "string", default: "10000,100000" },
    steady: { type: "string", default: "20" }, // seconds at 1,000 lines a second; 0: none
    rounds: { type: "string", default: "3" },
    timeout: { type: "string", default: "90" }, // seconds for one page
    engine: { type: "string", default: "chromium" }, // or webkit, of which only the page itself can tell
  },
});
const peers = options.peers.split(",");
const rounds = Number(options.rounds);
const RATE = 1000;
const bursts = options.burst.split(",").map(Number).filter(Boolean);
const cases = bursts.map((count) => ({ title: `${count.toLocaleString("en")} lines in a burst`, count, rate: 0 }));
if (Number(options.steady) > 0) cases.push({ title: `${RATE} lines a second for ${options.steady} s`, count: Number(options.steady) * RATE, rate: RATE });

await build({ configFile: join(here, "vite.config.mjs") });
const server = fork(join(here, "server.mjs"), bursts.map(String));
const port = await new Promise((resolve) => server.once("message", resolve));
const browser = await (options.engine === "webkit" ? launchWebKit() : launch(chromiumPath()));
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
  if (!page.send) {
    const result = await page.evaluate("bench.start()");
    await page.close();
    return result;
  }
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

function print(title, results) {
  const columns = [
    ["total ms", "total"],
    ["main thread ms", "TaskDuration"],
    ["script ms", "ScriptDuration"],
    ["style ms", "RecalcStyleDuration"],
    ["layout ms", "LayoutDuration"],
    ["blocking ms", "blocking"],
    ["blocked ms", "blocked"],
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
      if (!Number.isFinite(value)) return "-";
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
