// @vitest-environment node
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";

const library = join(import.meta.dirname, "..");
const src = join(library, "src");
const text = readFileSync(join(library, "ARCHITECTURE.md"), "utf8");
const files = readdirSync(src, { encoding: "utf8", recursive: true }).filter((name) => /\.(tsx?|css)$/.test(name));
const sources = [...files, "../package.json"].map((name) => readFileSync(join(src, name), "utf8")).join("\n");
const isPath = (name: string): boolean => /^[\w/.]+\.(tsx?|css|json)$|^\w+\/$/.test(name);
const quoted = [...text.replaceAll(/^```[^]*?^```/gm, "").matchAll(/`([^`\n]+)`/g)].map(([, name = ""]) => name);

it("each path in ARCHITECTURE.md exists", () => {
  const paths = quoted.filter(isPath);
  const inRoom = files.map((name) => name.split("/").at(-1)); // in the row of its room a file is named alone
  expect(paths.length).toBeGreaterThan(30);
  expect(paths.filter((path) => !existsSync(join(src, path)) && !existsSync(join(library, path)) && !inRoom.includes(path))).toEqual([]);
});

it("each room has a row, with the rooms that it may import", () => {
  const rows = [...text.matchAll(/^\| `(\w+)\/` \|.*\| ([^|]+) \|$/gm)].map(([, room, imports = ""]) => [room, [...imports.matchAll(/`(\w+)\/`/g)].map(([, name]) => name)]);
  const rules = readFileSync(join(library, "tests/rooms.test.ts"), "utf8").matchAll(/^ {2}(\w+): \[(.*)\],$/gm);
  expect(Object.fromEntries(rows)).toEqual(Object.fromEntries([...rules].map(([, room, names = ""]) => [room, [...names.matchAll(/"(\w+)"/g)].map(([, name]) => name)])));
});

it("each name in ARCHITECTURE.md is in the sources", () => {
  const names = quoted.filter((name) => !isPath(name) && /^[A-Za-z_]+(\.[A-Za-z]+)*(\(.*\))?$/.test(name)).flatMap((name) => name.replace(/\(.*$/, "").split("."));
  expect(names.length).toBeGreaterThan(40);
  expect(names.filter((name) => !new RegExp(`\\b${name}\\b`).test(sources))).toEqual([]);
});

it("ARCHITECTURE.md is two pages", () => {
  expect(text.split(/\s+/).length).toBeLessThan(1_500);
});
