// Opens a page in Chromium, and prints what it shows at its end and what the console said:
//   node browser.mjs CHROMIUM PLAYWRIGHT URL
const [executablePath, playwright, url] = process.argv.slice(2);
const { chromium } = await import(playwright);

const browser = await chromium.launch({ executablePath, args: process.getuid() === 0 ? ["--no-sandbox"] : [] });
try {
  const page = await browser.newPage();
  const told = [];
  page.on("pageerror", (error) => told.push(String(error)));
  page.on("console", (message) => {
    const isCut = message.text().startsWith("Failed to load resource"); // what the network did, said by the browser
    if (["warning", "error"].includes(message.type()) && !isCut) told.push(message.text());
  });
  await page.goto(url);
  await page.waitForFunction(() => "shownAtTheEnd" in globalThis).catch((error) => told.push(String(error)));
  const shown = await page.evaluate(() => globalThis.shownAtTheEnd?.());
  const body = await page.evaluate(() => document.body.textContent);
  const styled = await page.evaluate(() => getComputedStyle(document.querySelector("[role=log]")).overflowY === "auto");
  process.stdout.write(JSON.stringify({ ...shown, body, styled, told }));
} finally {
  await browser.close();
}
