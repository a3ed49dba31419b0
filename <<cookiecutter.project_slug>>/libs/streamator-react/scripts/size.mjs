// What the library adds to a page: `npm run size`. Bundled and minified as an app would, gzipped, without React and CSS.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "vite";

process.env.NODE_ENV = "production"; // React's JSX comes in two kinds

/** The modules that are imported by another name. */
const DOORS = { eventSource: "eventsource", webSocket: "ws" };

/**
 * What some names of an entry of the library come to in a page, in bytes: `first` is what it loads before anything is
 * shown, `later` what is loaded when it is first used, by name.
 */
export async function sizeOf(names, entry = "index") {
  const folder = await mkdtemp(join(tmpdir(), "streamator-size-"));
  try {
    const input = join(folder, "page.js");
    const from = fileURLToPath(new URL(`../src/${entry}.ts`, import.meta.url));
    await writeFile(input, `import { ${names.join(", ")} } from ${JSON.stringify(from)};\nglobalThis.page = [${names.join(", ")}];\n`);
    const { output } = await build({
      configFile: false,
      root: folder,
      logLevel: "silent",
      // As for a server, but minified: for a page Vite adds code of its own that loads chunks, once in an app.
      ssr: { noExternal: true },
      build: { target: "es2022", write: false, ssr: true, minify: true, rollupOptions: { input, external: /^react/ } },
    });
    const chunks = new Map(output.filter(({ type }) => type === "chunk").map((chunk) => [chunk.fileName, chunk]));
    const withImports = (name) => (chunks.has(name) ? [name, ...chunks.get(name).imports.flatMap(withImports)] : []);
    const total = (fileNames) => [...fileNames].reduce((sum, name) => sum + gzipSync(chunks.get(name).code, { level: 9 }).length, 0);
    const all = [...chunks.values()];
    const first = new Set(withImports(all.find(({ isEntry }) => isEntry).fileName));
    const later = all.filter(({ isDynamicEntry, fileName }) => isDynamicEntry && !first.has(fileName));
    const moduleOf = (chunk) => basename(chunk.facadeModuleId).replace(/\.tsx?$/, "");
    const recovery = later.find((chunk) => moduleOf(chunk) === "recovery")?.fileName; // loaded with the first connection
    const own = (chunk) => withImports(chunk.fileName).filter((name) => name === chunk.fileName || (!first.has(name) && name !== recovery));
    return {
      first: total(first),
      later: Object.fromEntries(later.map((chunk) => [DOORS[moduleOf(chunk)] ?? moduleOf(chunk), total(new Set(own(chunk)))])),
    };
  } finally {
    await rm(folder, { recursive: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const say = (what, bytes) => process.stdout.write(`${what}: ${(bytes / 1024).toFixed(1)} KB, ${bytes} bytes\n`);
  const pages = [["useLogStream"], ["LogPanel"], ["useLogStream", "LogPanel"], ["useJob"], ["streamEvents"], ["ProgressPanel"], ["DraftPanel"], ["ActivityPanel"]];
  let onDemand = {}; // of a page with a stream and a panel: what they share is loaded first
  for (const names of pages) {
    const { first, later } = await sizeOf(names);
    say(names.join(", "), first);
    if (names.length === 2) onDemand = later;
  }
  say("logStream", (await sizeOf(["logStream"], "core/index")).first);
  for (const [name, bytes] of Object.entries(onDemand)) say(`streamator-react/${name}`, bytes);
}
