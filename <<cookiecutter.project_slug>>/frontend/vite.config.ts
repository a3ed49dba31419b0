import react from "@vitejs/plugin-react";
import { defaultClientConditions, loadEnv } from "vite";
import type { ProxyOptions } from "vite";
import { defineConfig } from "vitest/config";

export default defineConfig(({ mode }) => {
  // The process environment wins over the project's .env, as it does in the backend.
  const env = loadEnv(mode, "..", ["BACKEND_", "FRONTEND_"]);
  const backend = `http://${reachable(env.BACKEND_HOST)}:${env.BACKEND_PORT || "8000"}`;
  const port = Number(env.FRONTEND_PORT || "5173");
  const server = {
    host: "127.0.0.1",
    port,
    strictPort: true, // a busy port is an error, not another address than the one that was announced
    proxy: { "/api": toBackend(backend), "/healthz": toBackend(backend) },
  };

  // All that is served in development, to whoever reaches the port: what the page is made of. Vite's default is the whole
  // project, with DATA_DIR and .env. Another library that is linked needs a line here.
  const served = ["index.html", "src", "public", "node_modules/.vite", "../libs/streamator-react/src"];

  return {
    base: "./", // one build for any ROOT_PATH of the backend: see the <base> in index.html
    plugins: [react()],
    // streamator-react by its sources: what is changed there shows at once, and nothing has to be built first.
    resolve: { conditions: ["streamator-source", ...defaultClientConditions] },
    server: { ...server, fs: { allow: served } },
    preview: server,
    build: {
      // Browsers that know light-dark() themselves: the theme is switched by color-scheme at run time.
      cssTarget: ["chrome123", "edge123", "firefox120", "safari17.5"],
      rolldownOptions: { checks: { ineffectiveDynamicImport: false } }, // main.tsx has a part in the bundle on purpose
    },
    test: {
      environment: "happy-dom",
      include: ["tests/**/*.test.{ts,tsx}"],
      setupFiles: "tests/setup.ts",
      testTimeout: 30_000,
      restoreMocks: true,
    },
  };
});

/** A backend bound to every address is reached on loopback. */
function reachable(host: string | undefined): string {
  return !host || host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host;
}

/**
 * Passes requests on to the backend, event streams unbuffered. Two things the proxy would leave hanging:
 *
 * - The end of a stream whose backend is killed: the browser's half stays open, and a viewer would wait for ever.
 * - An upload that the backend refuses half way: the browser sees the answer only once the rest is taken.
 */
function toBackend(target: string): ProxyOptions {
  return {
    target,
    ws: true, // and WebSockets
    configure(proxy) {
      proxy.on("error", (_error, request) => request.resume());
      proxy.on("proxyRes", (fromBackend, request, toBrowser) => {
        if (!request.complete) request.unpipe().resume();
        fromBackend.on("close", () => {
          if (!fromBackend.complete) toBrowser.destroy();
        });
      });
    },
  };
}
