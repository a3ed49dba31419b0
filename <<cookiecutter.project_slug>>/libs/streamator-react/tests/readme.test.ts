// @vitest-environment node
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";

const library = join(import.meta.dirname, "..");
const readme = readFileSync(join(library, "README.md"), "utf8");

it("every snippet of the README type-checks against the source", () => {
  const snippets = [...readme.matchAll(/```(tsx?)\n([\s\S]*?)```/g)];
  expect(snippets.length).toBeGreaterThanOrEqual(4);

  mkdirSync(join(library, "node_modules/.cache"), { recursive: true });
  const folder = mkdtempSync(join(library, "node_modules/.cache/readme-")); // within the package, so that it finds itself by name
  try {
    for (const [index, [, extension, code]] of snippets.entries()) writeFileSync(join(folder, `snippet${index}.${extension}`), code ?? "");
    const config = { extends: join(library, "tsconfig.json"), include: ["."], exclude: [] };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
    const run = (): string => execFileSync("npx", ["--no-install", "tsc", "-p", folder], { encoding: "utf8", cwd: library, stdio: "pipe" });
    expect(outputOf(run)).toBe("");
  } finally {
    rmSync(folder, { recursive: true });
  }
}, 20_000);

it("the theming table has the values of the style sheets", () => {
  const css = ["parts/theme.css", "log/log.css", "panels/panels.css"].map((name) => readFileSync(join(library, "src", name), "utf8")).join("");
  const rows = [...readme.matchAll(/^\| `(--streamator-[a-z-]+)` \| `([^`]+)` \| (?:`([^`]+)` )?\|/gm)];
  expect(rows).toHaveLength(11);
  for (const [, property, light, dark] of rows) {
    const shared = `--streamator-default-${property?.replace(/^--streamator-|(?<=-[a-z]+)-color$/g, "")}`;
    expect(css).toContain(dark ? `var(${property}, var(${shared}))` : `var(${property}, ${light})`);
    for (const value of dark ? [light, `light-dark(${light}, ${dark})`] : []) expect(css).toContain(`${shared}: ${value};`);
  }
});

it("the sizes are up to date", () => {
  const measured = execFileSync(process.execPath, [join(library, "scripts/size.mjs")], { encoding: "utf8", cwd: library });
  const lines = [...measured.matchAll(/^(.+): ([0-9.]+) KB, (\d+) bytes$/gm)];
  expect(lines).toHaveLength(16);
  const bytes = Object.fromEntries(lines.map(([, names, , exactly]) => [names, Number(exactly)]));
  expect(bytes.useLogStream).toBeLessThanOrEqual(5.8 * 1024);
  expect(bytes["useLogStream, LogPanel"]).toBeLessThanOrEqual(11.4 * 1024);
  for (const [, names, size] of lines) {
    const row = (names as string).split(", ").map((name) => `\`${name}\``).join(", ");
    const stated = readme.split("\n").find((line) => line.startsWith(`| ${row} | `) && line.endsWith(" KB |"));
    expect(Math.abs(Number.parseFloat(stated?.split(" | ")[1] ?? "") - Number(size)), `${names}: ${size} KB`).toBeLessThan(0.3);
  }
}, 30_000);

function outputOf(run: () => string): string {
  try {
    return run();
  } catch (error) {
    return (error as { stdout?: string }).stdout || String(error);
  }
}
