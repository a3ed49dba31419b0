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

it("the theming table says what the style sheet does", () => {
  const css = ["log.css", "panels.css"].map((name) => readFileSync(join(library, "src", name), "utf8")).join("");
  const rows = [...readme.matchAll(/^\| `(--streamator-[a-z-]+)` \| `([^`]+)` \| (?:`([^`]+)` )?\|/gm)];
  expect(rows).toHaveLength(11);
  for (const [, property, light, dark] of rows) {
    expect(css).toContain(`var(${property}, ${light})`);
    expect(css).toContain(`var(${property}, ${dark ? `light-dark(${light}, ${dark})` : light})`);
  }
});

it("the sizes are what the library comes to", () => {
  const measured = execFileSync(process.execPath, [join(library, "scripts/size.mjs")], { encoding: "utf8", cwd: library });
  const lines = [...measured.matchAll(/^(.+): ([0-9.]+) KB, (\d+) bytes$/gm)];
  expect(lines).toHaveLength(13);
  const bytes = Object.fromEntries(lines.map(([, names, , exactly]) => [names, Number(exactly)]));
  expect(bytes.useLogStream).toBeLessThanOrEqual(5.6 * 1024);
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
