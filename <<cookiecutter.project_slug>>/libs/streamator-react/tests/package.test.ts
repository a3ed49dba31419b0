// @vitest-environment node
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";

const library = join(import.meta.dirname, "..");
let app: string;

function run(command: string, args: string[], cwd: string): string {
  try {
    return execFileSync(command, args, { cwd, encoding: "utf8", stdio: "pipe" });
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string };
    throw new Error(`${command} ${args.join(" ")} failed:\n${stdout}${stderr}`, { cause: error });
  }
}

/** The node_modules folder that holds a package which the library can import. */
function modulesWith(name: string): string {
  for (let folder = library; ; folder = dirname(folder)) {
    if (existsSync(join(folder, "node_modules", name))) return join(folder, "node_modules");
    if (folder === dirname(folder)) throw new Error(`${name} is not installed above ${library}: run npm install`);
  }
}

// A plain Vite app beside no workspace, with the packed library extracted as an install would.
beforeAll(() => {
  app = realpathSync(mkdtempSync(join(tmpdir(), "streamator-app-")));
  const modules = join(app, "node_modules");
  mkdirSync(join(modules, "@types"), { recursive: true });
  for (const name of ["react", "react-dom", "vite", "@types/react", "@types/react-dom"]) symlinkSync(join(modulesWith(name), name), join(modules, name));
  run("npm", ["pack", "--silent", "--pack-destination", app], library);
  const tarball = readdirSync(app).find((name) => name.endsWith(".tgz")) as string;
  run("tar", ["-xzf", tarball], app);
  run("mv", ["package", join(modules, "streamator-react")], app);

  writeFileSync(join(app, "package.json"), '{"name": "plain", "private": true, "type": "module"}');
  writeFileSync(join(app, "index.html"), '<!doctype html><div id="root"></div><script type="module" src="/main.tsx"></script>');
  writeFileSync(
    join(app, "main.tsx"),
    `import { createRoot } from "react-dom/client";
import { LogPanel, ProgressPanel, useJob, useLogStream, makeFormatEvent, type LogEntry } from "streamator-react";
import "streamator-react/log.css";
import "streamator-react/panels.css";
import "streamator-react/log-compat.css";
import { logStream, type LogSource } from "streamator-react/core";
import "streamator-react/ansi";

export const source: LogSource = logStream("/log/1/stream");
const formatEvent = makeFormatEvent({ step: (event) => String(event.step) });
const text = (entry: LogEntry): string => entry.text.toUpperCase();

function App() {
  const { logs, active } = useLogStream("/log/1/stream", { formatEvent });
  const job = useJob<{ words: number }>({ url: "/run/stream" });
  return (
    <>
      <LogPanel logs={logs} active={active} renderEntry={(entry) => <p>{text(entry)}</p>} />
      <ProgressPanel {...job.progress} state={job.state} message={job.result?.words} />
    </>
  );
}

createRoot(document.getElementById("root")!).render(<App />);
`,
  );
  const compilerOptions = { target: "ES2022", lib: ["ES2022", "DOM", "DOM.Iterable"], module: "ESNext", moduleResolution: "bundler", jsx: "react-jsx", strict: true, noEmit: true, types: [] };
  writeFileSync(join(app, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["main.tsx"] }));
}, 60_000);

afterAll(() => rmSync(app, { recursive: true, force: true }));

it("holds the modules, their types, the style sheets and the license, and no tests", () => {
  const packed = join(app, "node_modules/streamator-react");
  expect(readdirSync(packed).toSorted()).toEqual(["ARCHITECTURE.md", "LICENSE", "README.md", "dist", "docs", "examples", "package.json", "src"]);
  expect(readdirSync(join(packed, "dist"))).toEqual(expect.arrayContaining(["index.js", "index.d.ts", "core", "hooks", "job", "log", "panels", "parts", "scroll", "transport"]));
  const { exports } = JSON.parse(readFileSync(join(packed, "package.json"), "utf8")) as { exports: Record<string, string | Record<string, string>> };
  const files = Object.values(exports).flatMap((to) => Object.values(typeof to === "string" ? { to } : to)).filter((file) => !file.includes("*"));
  expect(files.filter((file) => !existsSync(join(packed, file)))).toEqual([]);
  const links = readFileSync(join(packed, "README.md"), "utf8").matchAll(/\/libs\/streamator-react\/([^)#]+)\)/g);
  expect([...links].map(([, to]) => to as string).filter((to) => !existsSync(join(packed, to)))).toEqual([]);
});

it("imports nothing but react at run time", () => {
  const dist = join(app, "node_modules/streamator-react/dist");
  const code = readdirSync(dist, { encoding: "utf8", recursive: true }).filter((name) => name.endsWith(".js"));
  const imports = code.flatMap((name) => [...readFileSync(join(dist, name), "utf8").matchAll(/^(?:import|export) .*? ?from "([^."][^"]*)"|\bimport\(?"([^."][^"]*)"/gm)]);
  // React 17's "react/jsx-runtime" is found by neither Node's own modules nor webpack 5.
  expect(new Set(imports.map(([, from, bare]) => from ?? bare))).toEqual(new Set(["react"]));
  const manifest = JSON.parse(readFileSync(join(app, "node_modules/streamator-react/package.json"), "utf8")) as Record<string, unknown>;
  expect(manifest.dependencies).toBeUndefined();
  expect(manifest.peerDependencies).toEqual({ react: ">=17" });
});

it("a server component of Next.js reaches no React through it: hooks, panels and the context are client modules", () => {
  const dist = join(app, "node_modules/streamator-react/dist");
  const codeOf = (name: string): string => readFileSync(join(dist, name), "utf8");
  const isClient = (name: string): boolean => codeOf(name).startsWith('"use client";\n');
  const onServer = new Set(["index.js"]);
  for (const name of onServer) {
    for (const [, from] of codeOf(name).matchAll(/(?:^(?:import|export) (?:[^"]* from )?|\bimport\()"([^"]+)"/gm)) {
      expect(from, `${name} runs in a server component`).toMatch(/^\./);
      const module = join(dirname(name), from as string);
      if (!isClient(module)) onServer.add(module);
    }
  }
  // A server component can render the components of a client module, and call none of its functions.
  const names = [...codeOf("index.js").matchAll(/^export \{ (.+) \} from "(.+)";$/gm)];
  const ofServer = names.filter(([, , from]) => !isClient(from as string)).flatMap(([, list]) => (list as string).split(", "));
  expect(ofServer.toSorted()).toEqual(["BASE_EVENT_LABELS", "activitiesAfter", "draftAfter", "makeFormatEvent", "progressAfter", "streamEvents"]);
});

it("a plain Vite app builds with it and its styles", () => {
  const vite = join(dirname(createRequire(join(app, "main.tsx")).resolve("vite/package.json")), "bin/vite.js");
  run(process.execPath, [vite, "build"], app);
  const assets = readdirSync(join(app, "dist/assets"));
  const chunks = assets.filter((name) => name.endsWith(".js")).map((name) => name.split("-")[0]);
  expect(chunks).toEqual(expect.arrayContaining(["eventSource", "index", "large", "poll", "recovery", "toolbar", "webSocket"])); // loaded at first use
  const css = readFileSync(join(app, "dist/assets", assets.find((name) => name.endsWith(".css")) as string), "utf8");
  expect(css).toContain("@layer streamator");
  expect(css).toContain("var(--streamator-bg,var(--streamator-default-bg))");
  // Rewritten for older targets, light-dark() would leave a page without a color-scheme without any colour.
  expect(css).toContain("light-dark(#f8f8f8,#1b1b1d)");
  expect(css).toContain("light-dark(#c62828,#ff8a80)");
}, 30_000);

it("an entry that a page imports is in the page's own bundle", () => {
  const page = readFileSync(join(app, "main.tsx"), "utf8");
  try {
    writeFileSync(join(app, "main.tsx"), `import "streamator-react/eventsource";\nimport "streamator-react/poll";\nimport "streamator-react/recovery";\nimport "streamator-react/ws";\n${page}`);
    const vite = join(dirname(createRequire(join(app, "main.tsx")).resolve("vite/package.json")), "bin/vite.js");
    run(process.execPath, [vite, "build", "--outDir", "bundled"], app);
    const assets = readdirSync(join(app, "bundled/assets")).filter((name) => name.endsWith(".js"));
    for (const entry of ["eventSource", "poll", "recovery", "webSocket"]) expect(assets.map((name) => name.split("-")[0])).not.toContain(entry);
    const main = readFileSync(join(app, "bundled/assets", assets.find((name) => name.startsWith("index-")) as string), "utf8");
    expect(main).toContain("sent over its WebSocket"); // the bundler did not drop it as unused
  } finally {
    writeFileSync(join(app, "main.tsx"), page);
  }
}, 30_000);

it("its core runs under Node's own modules without React, and loads its transports", () => {
  const bare = realpathSync(mkdtempSync(join(tmpdir(), "streamator-node-")));
  try {
    cpSync(join(app, "node_modules/streamator-react"), join(bare, "node_modules/streamator-react"), { recursive: true });
    writeFileSync(
      join(bare, "core.mjs"),
      `import { createServer } from "node:http";
import { logStream } from "streamator-react/core";

const server = createServer((request, response) => {
  if (!request.url.endsWith("/stream")) response.end(JSON.stringify({ logs: [{ event: "log", message: "polled" }], next: 1, closed: true }));
  else response.writeHead(200, { "content-type": "text/event-stream" }).end('id: 1\\ndata: {"event":"log","message":"streamed"}\\n\\nid: 2\\ndata: {"event":"done"}\\n\\n');
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
for (const mode of ["sse", "poll"]) {
  const stream = logStream(\`http://127.0.0.1:\${server.address().port}/log/j/stream\`, { mode });
  await new Promise((resolve) => stream.subscribe(() => stream.getSnapshot().active || resolve()));
  console.log(stream.getSnapshot().logs.map(({ text }) => text).join());
}
server.close();
console.log(await import("streamator-react").then(() => "React", ({ code }) => code));
`,
    );
    expect(run(process.execPath, ["core.mjs"], bare)).toBe("streamed\npolled\nERR_MODULE_NOT_FOUND\n");
  } finally {
    rmSync(bare, { recursive: true, force: true });
  }
}, 30_000);

it("the page of its examples builds from the sources", () => {
  const vite = join(dirname(createRequire(join(app, "main.tsx")).resolve("vite/package.json")), "bin/vite.js");
  run(process.execPath, [vite, "build", "examples", "--outDir", join(app, "examples")], library);
  expect(readdirSync(join(app, "examples/assets")).some((name) => name.endsWith(".css"))).toBe(true);
}, 30_000);

it("a plain TypeScript app type-checks against it", () => {
  expect(run("npx", ["--no-install", "tsc", "-p", app], library)).toBe("");
}, 30_000);
