// A server that renders, and a client without a page: Node's own modules, no bundler.
import { createRequire } from "node:module";
import { createElement } from "react";
import { streamEvents } from "streamator-react";
import { App } from "./src/App.js";

const [base, name] = process.argv.slice(2);
// React 17's is found by `require` alone.
const { renderToString } = await import("react-dom/server").catch(() => createRequire(import.meta.url)("react-dom/server"));
const html = renderToString(createElement(App, { base, name }));

const lines = [];
const onEvent = ({ event, message }) => event === "log" && lines.push(message);
await new Promise((onEnd, onError) => streamEvents(`${base}/${name}/stream`, { onEvent, onEnd, onError }));
process.stdout.write(JSON.stringify({ html, lines }));
