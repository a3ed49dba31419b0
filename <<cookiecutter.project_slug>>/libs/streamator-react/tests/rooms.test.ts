// @vitest-environment node
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import manifest from "../package.json" with { type: "json" };

const src = join(import.meta.dirname, "../src");
const modules = readdirSync(src, { encoding: "utf8", recursive: true }).filter((name) => /(?<!\.d)\.tsx?$/.test(name));

/** What a module imports, also types, and modules that it loads later. */
function importsOf(module: string): string[] {
  const code = readFileSync(join(src, module), "utf8").replaceAll(/\/\*[^]*?\*\/|^ *\/\/.*$/gm, "");
  return [...code.matchAll(/(?:\bfrom |\bimport |\bimport\()"([^"]+)"/g)].map(([, name = ""]) => {
    if (!name.startsWith(".")) return name;
    const path = join(module, "..", name);
    return modules.find((other) => other.replace(/\.tsx?$/, ".js") === path) ?? `${path}, which does not exist`;
  });
}

const graph = new Map(modules.map((module) => [module, importsOf(module)]));

/** The room of a module: its folder; "" at the top of src. */
const roomOf = (module: string): string => (module.includes("/") ? (module.split("/")[0] as string) : "");

/** The rooms that each room may use. */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  transport: [],
  core: ["transport"],
  job: ["transport", "core"],
  hooks: ["core", "job"],
  scroll: ["hooks"],
  parts: ["hooks"],
  panels: ["core", "job", "hooks", "scroll", "parts"],
  log: ["core", "hooks", "scroll", "parts"],
};
/** The modules at the top that any room may use. */
const SHARED = ["types.ts", "listen.ts"];

it("every import leads to a module, and the walk sees them all", () => {
  expect([...graph.values()].flat().filter((name) => name.includes("does not exist"))).toEqual([]);
  expect(graph.get("core/store.ts")).toEqual(expect.arrayContaining(["types.ts", "transport/replay.ts", "core/newest.ts"])); // the second for a type
  expect(graph.get("log/parts.ts")).toContain("log/large.tsx"); // loaded later
});

it("no module imports itself, however long the way round", () => {
  const finished = new Set<string>();
  const circles: string[] = [];
  const visit = (module: string, way: readonly string[]): void => {
    if (way.includes(module)) circles.push([...way.slice(way.indexOf(module)), module].join(" > "));
    if (finished.has(module) || way.includes(module)) return;
    for (const next of graph.get(module) ?? []) visit(next, [...way, module]);
    finished.add(module);
  };
  for (const module of modules) visit(module, []);
  expect(circles).toEqual([]);
});

it("rooms import only the rooms below them", () => {
  const rooms = new Set(modules.map(roomOf).filter(Boolean));
  expect([...rooms].toSorted()).toEqual(Object.keys(ROOMS).toSorted());
  const wrong: string[] = [];
  for (const [module, imports] of graph) {
    const room = roomOf(module);
    if (room === "") continue;
    for (const name of imports.filter((each) => modules.includes(each))) {
      const allowed = roomOf(name) === "" ? SHARED.includes(name) : roomOf(name) === room || ROOMS[room]?.includes(roomOf(name));
      if (!allowed) wrong.push(`${module} > ${name}`);
    }
  }
  expect(wrong).toEqual([]);
});

it("transport, core and job import no React", () => {
  const without = modules.filter((module) => ["transport", "core", "job"].includes(roomOf(module)));
  expect(without.filter((module) => graph.get(module)?.some((name) => name.startsWith("react")))).toEqual([]);
});

it("every path that the package exports leads to a source", () => {
  const paths = Object.entries(manifest.exports).flatMap(([path, to]) => (typeof to === "object" ? [[path, to["streamator-source"]] as const] : []));
  expect(paths.map(([path]) => path).toSorted()).toEqual(
    [".", "./ansi", "./core", "./eventsource", "./large", "./log-compat.css", "./log.css", "./panels.css", "./poll", "./recovery", "./toolbar", "./ws"],
  );
  for (const [, source] of paths) expect(readFileSync(join(src, "..", source), "utf8")).not.toBe("");
});

it("every suppression of a check says why", () => {
  const library = join(src, "..");
  const files = ["src", "tests", "examples", "scripts"].flatMap((folder) => readdirSync(join(library, folder), { encoding: "utf8", recursive: true }).map((name) => join(library, folder, name)));
  const lines = files.filter((name) => /\.(tsx?|mjs|js)$/.test(name)).flatMap((name) => readFileSync(name, "utf8").split("\n"));
  const suppressions = lines.filter((line) => /(?:ox|es)lint-(?:disable)|@ts-(?:ignore|expect-error|nocheck)/.test(line));
  expect(suppressions.length).toBeGreaterThan(5);
  expect(suppressions.filter((line) => !/ -- \w+ \w+/.test(line))).toEqual([]);
});
