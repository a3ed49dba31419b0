// What the library adds to a page: `npm run size`. Bundled and minified as an app would, gzipped, without React and CSS.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "vite";

const index = fileURLToPath(new URL("../src/index.ts", import.meta.url));

process.env.NODE_ENV = "production"; // React's JSX comes in two kinds

/** What a page that imports some names of the library loads with them, in bytes. */
export async function sizeOf(names) {
  const folder = await mkdtemp(join(tmpdir(), "streamator-size-"));
  try {
    const entry = join(folder, "page.js");
    await writeFile(entry, `import { ${names.join(", ")} } from ${JSON.stringify(index)};\nglobalThis.page = [${names.join(", ")}];\n`);
    const { output } = await build({
      configFile: false,
      root: folder,
      logLevel: "silent",
      build: { target: "es2022", write: false, modulePreload: false, rollupOptions: { input: entry, external: /^react/ } },
    });
    const chunks = new Map(output.map((file) => [file.fileName, file]));
    const loaded = new Set(output.filter(({ isEntry }) => isEntry)); // and what it needs at once, not what it may load later
    for (const { imports } of loaded) for (const name of imports) if (chunks.has(name)) loaded.add(chunks.get(name));
    return [...loaded].reduce((total, { code }) => total + gzipSync(code, { level: 9 }).length, 0);
  } finally {
    await rm(folder, { recursive: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const pages = [["useLogStream"], ["LogPanel"], ["useLogStream", "LogPanel"], ["useJob"], ["streamEvents"], ["ProgressPanel"], ["DraftPanel"], ["ActivityPanel"]];
  for (const names of pages) {
    process.stdout.write(`${names.join(", ")}: ${((await sizeOf(names)) / 1024).toFixed(1)} KB\n`);
  }
}
