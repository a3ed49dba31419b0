// WebKitGTK by its WebKitWebDriver (Debian: webkit2gtk-driver), on a screen that nobody sees (xvfb).
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";

/** Starts a browser for each page; `page(url)` opens one. */
export async function launch() {
  const screen = spawn("Xvfb", ["-displayfd", "3", "-screen", "0", "1280x1000x24", "-nolisten", "tcp"], { stdio: ["ignore", "ignore", "ignore", "pipe"] });
  const [display] = await once(screen.stdio[3], "data");
  const port = await freePort();
  const env = { ...process.env, DISPLAY: `:${String(display).trim()}`, GDK_BACKEND: "x11", NO_AT_BRIDGE: "1", WEBKIT_DISABLE_COMPOSITING_MODE: "1" };
  const driver = spawn(process.env.WEBKIT_PATH ?? "WebKitWebDriver", [`--port=${port}`], { env, stdio: "ignore" });
  const ask = async (method, path, parameters) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { method, body: parameters && JSON.stringify(parameters) });
    const { value } = await response.json();
    if (!response.ok) throw new Error(`${path}: ${JSON.stringify(value)}`);
    return value;
  };
  for (let answers = false; !answers; ) {
    if (driver.exitCode !== null) throw new Error(`WebKitWebDriver ended with code ${driver.exitCode}`);
    answers = await ask("GET", "/status").then(() => true, () => new Promise((resolve) => setTimeout(resolve, 50, false)));
  }
  return {
    async page(url) {
      const { sessionId } = await ask("POST", "/session", { capabilities: {} });
      const session = `/session/${sessionId}`;
      await ask("POST", `${session}/timeouts`, { script: 300_000 });
      await ask("POST", `${session}/url`, { url });
      return {
        async evaluate(expression) {
          const script = `const [end] = arguments; Promise.resolve(${expression}).then((value) => end({ value }), (error) => end({ error: String(error) }));`;
          const { value, error } = await ask("POST", `${session}/execute/async`, { script, args: [] });
          if (error) throw new Error(error);
          return value;
        },
        close: () => ask("DELETE", session),
      };
    },
    async close() {
      for (const process of [driver, screen]) {
        process.kill();
        if (process.exitCode === null && process.signalCode === null) await once(process, "exit");
      }
    },
  };
}

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}
