// What one event may cost at the worst, beside the same without what makes it dear: `node limits.mjs [rounds]`. Milliseconds of
// the main thread, medians; ends with 1 where a limit is passed. The machine has to be quiet.
import { fork } from "node:child_process";
import { join } from "node:path";
import { build } from "vite";
import { chromiumPath, launch, spent } from "./chromium.mjs";

const here = import.meta.dirname;
const rounds = Number(process.argv[2] ?? 5);
const EVENTS = 50_000;
const FOUND = 200;

await build({ configFile: join(here, "vite.config.mjs") });
const server = fork(join(here, "server.mjs"), [String(EVENTS)]);
const port = await new Promise((resolve) => server.once("message", resolve));
const browser = await launch(chromiumPath());

/** Milliseconds of the main thread for a page; `during` is called while it streams, and starts the clock anew. */
async function cost(query, during) {
  const page = await browser.page(`http://127.0.0.1:${port}/?${query}`);
  await page.send("Performance.enable", { timeDomain: "threadTicks" });
  let before = await spent(page);
  const streamed = page.evaluate("bench.start()");
  if (during) {
    await during(page);
    before = await spent(page);
  }
  await streamed;
  const after = await spent(page);
  await page.close();
  return 1000 * (after.TaskDuration - before.TaskDuration);
}

const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];

/** Waits until the first lines are there, and looks for `text` in them. */
const find = (text) => (page) =>
  page.evaluate(`(async () => {
    while (document.querySelectorAll(".streamator-log-entry").length < 990) await new Promise((resolve) => setTimeout(resolve, 20));
    const input = document.querySelector("[type=search]");
    Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set.call(input, ${JSON.stringify(text)});
    input.dispatchEvent(new Event("input", { bubbles: true }));
    await new Promise((resolve) => setTimeout(resolve, 500));
  })()`);

const lines = `n=${990 + FOUND}&first=990&wait=2000&rate=50`;
const LIMITS = [
  { title: "a line of 1 MB", unit: "ms", limit: 50, each: 1, dear: ["peer=tools&n=2&long=1000000&plain=1"], cheap: ["peer=tools&n=2"] },
  { title: "a line of 1 MB, with colours", unit: "ms", limit: 50, each: 1, dear: ["peer=tools&n=2&long=1000000"], cheap: ["peer=tools&n=2"] },
  { title: "a new line while “e” is found in 990", unit: "ms", limit: 2, each: FOUND, dear: [`peer=tools&${lines}`, find("e")], cheap: [`peer=tools&${lines}`, find("")] },
  { title: "an event of useJob past its cap", unit: "us", limit: 20, each: EVENTS / 1000, dear: [`peer=job-capped&n=${EVENTS}`], cheap: [`peer=job&n=${EVENTS}`], whole: true },
];
try {
  for (const { title, unit, limit, each, dear, cheap, whole } of LIMITS) {
    const costs = { dear: [], cheap: [] };
    for (let round = 0; round < rounds; round += 1) {
      costs.dear.push(await cost(...dear));
      costs.cheap.push(await cost(...cheap));
    }
    const [more, less] = [median(costs.dear) / each, median(costs.cheap) / each];
    const found = whole ? more : more - less; // the page itself costs something, too
    if (found > limit) process.exitCode = 1;
    const shown = [found, more, less].map((value) => value.toFixed(2));
    console.log(`${title}: ${shown[0]} ${unit} (limit ${limit}); ${shown[1]} beside ${shown[2]} without, x${(more / less).toPrecision(2)}`);
  }
} finally {
  await browser.close();
  server.disconnect();
}
