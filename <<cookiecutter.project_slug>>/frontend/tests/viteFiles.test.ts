// @vitest-environment node
/** Which files the development server gives to whoever reaches its port. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { get } from "node:http";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { basename, join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createServer as createVite } from "vite";
import type { ViteDevServer } from "vite";

const SECRET = "7c0ffee5ec2e7";
const frontend = join(import.meta.dirname, "..");
const project = join(frontend, "..");
let vite: ViteDevServer;
let port: number;
let data: string; // a folder of the project's, as DATA_DIR is

beforeAll(async () => {
  data = await mkdtemp(join(project, "data-"));
  // A script too: what Vite cannot parse it would not send even where it may.
  for (const name of ["app.db", "auth-secret", ".env", "secret.js"]) await writeFile(join(data, name), `export default "${SECRET}"`);
  vite = await createVite({ root: frontend, logLevel: "silent", server: { port: 0 } });
  await vite.listen();
  ({ port } = (vite.httpServer as Server).address() as AddressInfo);
}, 60_000);

afterAll(async () => {
  await vite.close();
  await rm(data, { recursive: true });
});

/** Asks for a path exactly as it is written: `fetch` would resolve the dots in it. */
function ask(path: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    get({ host: "127.0.0.1", port, path, headers: { accept: "*/*" } }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part: string) => (text += part));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
    }).on("error", reject);
  });
}

const queries = ["", "?raw", "?url", "?import", "?import&raw", "?import&url", "?inline", "?raw&import", "?raw??", "?import&raw??", "?t=1", "?.svg", "?.css", "?init", "?worker_file&type=module", "?html-proxy"];
const encode = (path: string): string => path.replaceAll(/[./a-d]/g, (each) => (each === "/" ? each : `%${each.charCodeAt(0).toString(16)}`));

it.each(["app.db", "auth-secret", ".env", "secret.js"])("gives nobody %s of the project's data", async (name) => {
  const file = join(data, name);
  const spelled = [
    `/@fs${file}`,
    `/@fs/${file}`,
    `/@fs${encode(file)}`,
    `/@fs${frontend}/src/../../${basename(data)}/${name}`,
    `/@fs${frontend}/src/%2e%2e/%2e%2e/${basename(data)}/${name}`,
  ];
  for (const path of [...spelled, ...queries.map((query) => `/@fs${file}${query}`), ...spelled.map((each) => `${each}?raw`)]) {
    const { status, text } = await ask(path);
    expect({ asked: path, status, leaked: text.includes(SECRET) }).toEqual({ asked: path, status: 403, leaked: false });
  }
  expect((await ask(`/@fs${file}?worker`)).text).not.toContain(SECRET); // no more than a call of `new Worker`
  // Without `/@fs/` there is no such file, and the page answers in its place.
  for (const start of ["/..", "/src/../..", "/%2e%2e", "/..%2f", `/@fs${frontend}/src/..%2f..%2f`, "/@id/..", `/@id/${project}`, "/node_modules/.vite/../../.."]) {
    for (const query of ["", "?raw", "?import"]) expect((await ask(`${start}/${basename(data)}/${name}${query}`)).text).not.toContain(SECRET);
  }
}, 60_000);

it.each([".env.example", "README.md", "Makefile", "backend/app/settings.py", "package-lock.json", "frontend/package.json", "frontend/vite.config.ts"])(
  "gives nobody %s, which is no part of the page",
  async (name) => {
    for (const query of ["", "?raw", "?import"]) expect([query, (await ask(`/@fs${join(project, name)}${query}`)).status]).toEqual([query, 403]);
  },
);

it("gives all that the page is made of", async () => {
  const asked = new Set<string>();
  const left = ["/", "/src/main.tsx", "/favicon.svg", `/@fs${frontend}/src/main.tsx`];
  for (let path = left.pop(); path !== undefined; path = left.pop()) {
    if (asked.has(path)) continue;
    asked.add(path);
    const { status, text } = await ask(path);
    expect([path, status]).toEqual([path, 200]);
    for (const [, found = ""] of text.matchAll(/\b(?:from|import)\s*\(?\s*"(\/[^"]+)"/g)) left.push(found);
  }
  const files = [...asked].join("\n");
  for (const part of ["/@vite/client", "/.vite/deps/react.js", "libs/streamator-react/src/log/LogPanel.tsx", "log.css", "/src/app/"]) expect(files).toContain(part);
}, 60_000);
