import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";
import { answer } from "./jobServer.ts";

export default defineConfig({
  resolve: { alias: { "streamator-react": fileURLToPath(new URL("../src", import.meta.url)) } },
  plugins: [{ name: "jobs", configureServer: ({ middlewares }) => void middlewares.use(answer) }],
});
