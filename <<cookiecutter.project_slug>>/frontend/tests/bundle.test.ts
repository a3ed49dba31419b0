// @vitest-environment node
/** What is served to everybody: the built page. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { build } from "vite";
import type { Rolldown } from "vite";

const MARKER = "7c0ffee5ec2e7";
const frontend = join(import.meta.dirname, "..");

describe("the built page", () => {
  const files = new Map<string, string>();
  const settings: string[] = [];

  beforeAll(async () => {
    const example = await readFile(join(frontend, "..", ".env.example"), "utf8");
    for (const [, name = ""] of example.matchAll(/^# ([A-Z_]+)=/gm)) settings.push(name);
    for (const name of [...settings, "AWS_SECRET_ACCESS_KEY", "NODE_AUTH_TOKEN"]) if (!name.endsWith("_PORT")) vi.stubEnv(name, MARKER);
    vi.stubEnv("NODE_ENV", "production"); // as where it is built; here it says "test"
    const { output } = (await build({ root: frontend, logLevel: "error", build: { write: false } })) as Rolldown.RolldownOutput;
    for (const file of output) files.set(file.fileName, file.type === "chunk" ? file.code : String(file.source));
  }, 60_000);

  it("holds nothing of the environment that it was built in", () => {
    expect(settings).toContain("AUTH_SECRET");
    expect([...files.keys()].some((name) => name.endsWith(".js"))).toBe(true);
    const found = [...files].filter(([, text]) => text.includes(MARKER) || text.includes(frontend)).map(([name]) => name);
    expect(found).toEqual([]);
  });

  it("has no script and no style within its HTML: the policy it is served with forbids them", () => {
    const html = files.get("index.html") ?? "";
    expect(html).toContain("<script");
    expect(html).not.toMatch(/<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=|javascript:|\shttp-equiv=/i);
  });

  it("has no address that begins at the root of its host: it may be served below a path of it", () => {
    expect(files.get("index.html")).toContain('<base href="/"'); // what the backend puts its ROOT_PATH into
    const absolute = [...files].flatMap(([, text]) => text.replace('<base href="/"', "").match(/["'`(]\/(?:api|assets|healthz|favicon)\b[^"'`)]*/g) ?? []);
    expect(absolute).toEqual([]);
  });

  it("has no map of its sources", () => {
    expect([...files.keys()].filter((name) => name.endsWith(".map"))).toEqual([]);
  });
});
