import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";
import { answer } from "./jobServer.ts";

const src = fileURLToPath(new URL("../src", import.meta.url));

export default defineConfig({
  resolve: {
    alias: [
      { find: /^streamator-react$/, replacement: `${src}/index.ts` },
      { find: /^streamator-react\/(log|panels)\.css$/, replacement: `${src}/$1/$1.css` },
    ],
  },
  plugins: [{ name: "jobs", configureServer: ({ middlewares }) => void middlewares.use(answer) }],
});
