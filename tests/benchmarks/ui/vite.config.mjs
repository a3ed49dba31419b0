import { join } from "node:path";
import react from "@vitejs/plugin-react";
import { defaultClientConditions, defineConfig } from "vite";

const LIBRARY = join(import.meta.dirname, "../../../<<cookiecutter.project_slug>>/libs/streamator-react");

export default defineConfig({
  plugins: [react()],
  root: import.meta.dirname,
  logLevel: "warn",
  build: {
    cssTarget: ["chrome123"],
    chunkSizeWarningLimit: 2000,
    rollupOptions: { input: ["index.html", "gallery.html"].map((page) => join(import.meta.dirname, page)) },
  },
  resolve: {
    conditions: ["streamator-source", ...defaultClientConditions],
    // The library's sources as they stand, with the React of this folder.
    alias: [
      { find: /^streamator-react$/, replacement: join(LIBRARY, "src/index.ts") },
      { find: /^streamator-react\/(ansi|large|recovery|toolbar)$/, replacement: join(LIBRARY, "src/$1.ts") },
      { find: /^streamator-before$/, replacement: join(process.env.BEFORE || LIBRARY, "src/index.ts") },
      { find: /^streamator-react\/log\.css$/, replacement: join(LIBRARY, "src/log/log.css") },
    ],
    dedupe: ["react", "react-dom"],
  },
});
