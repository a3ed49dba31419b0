// @vitest-environment node
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
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

it("holds the modules, their types, the style sheets and the license, and nothing of the workshop", () => {
  const packed = join(app, "node_modules/streamator-react");
  expect(readdirSync(packed).toSorted()).toEqual(["LICENSE", "README.md", "dist", "docs", "examples", "package.json", "src"]);
  expect(readdirSync(join(packed, "dist"))).toEqual(expect.arrayContaining(["index.js", "index.d.ts", "log.css", "panels.css", "log-compat.css"]));
  const links = readFileSync(join(packed, "README.md"), "utf8").matchAll(/\/libs\/streamator-react\/([^)#]+)\)/g);
  expect([...links].map(([, to]) => to as string).filter((to) => !existsSync(join(packed, to)))).toEqual([]);
});

it("needs nothing but React at run time, by the one name that every React has", () => {
  const dist = join(app, "node_modules/streamator-react/dist");
  const code = readdirSync(dist, { encoding: "utf8", recursive: true }).filter((name) => name.endsWith(".js"));
  const imports = code.flatMap((name) => [...readFileSync(join(dist, name), "utf8").matchAll(/^(?:import|export) .*? ?from "([^."][^"]*)"|\bimport\(?"([^."][^"]*)"/gm)]);
  // React 17's "react/jsx-runtime" is found by neither Node's own modules nor webpack 5.
  expect(new Set(imports.map(([, from, bare]) => from ?? bare))).toEqual(new Set(["react"]));
  const manifest = JSON.parse(readFileSync(join(app, "node_modules/streamator-react/package.json"), "utf8")) as Record<string, unknown>;
  expect(manifest.dependencies).toBeUndefined();
  expect(manifest.peerDependencies).toEqual({ react: ">=17" });
});

it("a plain Vite app builds with it, styles and all", () => {
  const vite = join(dirname(createRequire(join(app, "main.tsx")).resolve("vite/package.json")), "bin/vite.js");
  run(process.execPath, [vite, "build"], app);
  const assets = readdirSync(join(app, "dist/assets"));
  const css = readFileSync(join(app, "dist/assets", assets.find((name) => name.endsWith(".css")) as string), "utf8");
  expect(css).toContain("@layer streamator");
  expect(css).toContain("var(--streamator-bg,#f8f8f8)");
  // Rewritten for older targets, light-dark() would leave a page without a color-scheme without any colour.
  expect(css).toContain("light-dark(#f8f8f8,#1b1b1d)");
  expect(css).toContain("light-dark(#c62828,#ff8a80)");
}, 30_000);

it("a plain TypeScript app type-checks against it", () => {
  expect(run("npx", ["--no-install", "tsc", "-p", app], library)).toBe("");
}, 30_000);
