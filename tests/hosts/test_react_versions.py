"""The React library in somebody else's page, put there by each way of its README, on each React that it names."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from bake import REPOSITORY, TEMPLATE

pytestmark = pytest.mark.long  # downloads much, and a new page each time

LIBRARY = REPOSITORY / TEMPLATE / "libs" / "streamator-react"
INSTALL = (LIBRARY / "README.md").read_text(encoding="utf-8").split("## Install")[1].split("\n## ")[0]
WAYS = dict(zip(("workspace", "package"), re.findall(r"```sh\n(.*?)```", INSTALL, re.DOTALL), strict=True))
VERSIONS = {
    "17": {"react": "17.0.2", "react-dom": "17.0.2", "@types/react": "17.0.93", "@types/react-dom": "17.0.26"},
    "18": {"react": "18.3.1", "react-dom": "18.3.1", "@types/react": "18.3.32", "@types/react-dom": "18.3.7"},
    "19": {"react": "19.3.1", "react-dom": "19.3.1", "@types/react": "19.3.0", "@types/react-dom": "19.3.0"},
}
TOOLS = {"vite": "8.3.8", "typescript": "7.0.2", "happy-dom": "21.0.4"}

APP = """
import { LogPanel, ProgressPanel, useJob, useLogStream, type PanelEntry } from "streamator-react";
import "streamator-react/log.css";
import "streamator-react/panels.css";

const text = (entry: PanelEntry): string => entry.text.toUpperCase();

export function App() {
  const { status } = useLogStream(null);
  const job = useJob(null);
  const line = { text: "a line", t: 0, level: "info" } as const;
  return (
    <main>
      <p>stream {status}, job {job.state}</p>
      <ProgressPanel state="running" percent={40} message="half way" />
      <LogPanel logs={[line]} active renderEntry={(entry) => <b>{text(entry)}</b>} />
    </main>
  );
}
"""
MAIN = {
    "17": 'import ReactDOM from "react-dom";\nReactDOM.render(<App />, root);',
    "18": 'import { createRoot } from "react-dom/client";\ncreateRoot(root).render(<App />);',
}
# What a test runner does, or a server that renders: Node's own modules, no bundler.
ON_THE_SERVER = """
import { createElement } from "react";
import { createRequire } from "node:module";
import { LogPanel } from "streamator-react";
const logs = [{ text: "a line", t: 0, level: "info", id: 1, line: 1, event: "log" }];
const server = createRequire(import.meta.url)("react-dom/server"); // React 17's is found this way alone
console.log(server.renderToString(createElement(LogPanel, { logs, active: true })));
"""
IN_THE_BROWSER = """
import { readdirSync } from "node:fs";
import { Window } from "happy-dom";
const window = new Window({ url: "http://localhost/" });
window.document.body.innerHTML = '<div id="root"></div>';
for (const name of Object.getOwnPropertyNames(window)) if (!(name in globalThis)) globalThis[name] = window[name];
Object.assign(globalThis, { window, document: window.document });
const [script] = readdirSync("dist/assets").filter((name) => name.endsWith(".js"));
await import(`${process.cwd()}/dist/assets/${script}`);
const end = Date.now() + 20_000;
const shown = () => window.document.body.textContent.includes("A LINE");
while (!shown() && Date.now() < end) await new Promise((go) => setTimeout(go, 20));
console.log(window.document.body.innerHTML);
process.exit(0);
"""
TSCONFIG = {
    "compilerOptions": {
        "target": "ES2022",
        "lib": ["ES2022", "DOM", "DOM.Iterable"],
        "module": "ESNext",
        "moduleResolution": "bundler",
        "jsx": "react-jsx",
        "strict": True,
        "esModuleInterop": True,
        "noEmit": True,
        "types": [],
    },
    "include": ["src"],
}


def run(command: str, folder: Path) -> str:
    """Runs a line of shell, which must succeed, and gives what it printed."""
    result = subprocess.run(
        ["sh", "-ec", command], cwd=folder, capture_output=True, text=True, env=os.environ, timeout=600
    )
    assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"
    return result.stdout


def write_page(page: Path, version: str) -> None:
    """Writes a plain page of Vite and TypeScript on that version of React, as somebody has it."""
    page.mkdir(parents=True)
    versions = VERSIONS[version]
    manifest = {
        "name": "my-app",
        "private": True,
        "type": "module",
        "dependencies": {name: versions[name] for name in ("react", "react-dom")},
        "devDependencies": {**{name: versions[name] for name in versions if name.startswith("@types")}, **TOOLS},
    }
    (page / "package.json").write_text(json.dumps(manifest))
    (page / "tsconfig.json").write_text(json.dumps(TSCONFIG))
    (page / "index.html").write_text('<div id="root"></div><script type="module" src="/src/main.tsx"></script>')
    (page / "src").mkdir()
    (page / "src" / "App.tsx").write_text(APP)
    start = MAIN.get(version, MAIN["18"])
    (page / "src" / "main.tsx").write_text(
        f'import {{ App }} from "./App";\nconst root = document.getElementById("root")!;\n{start}\n'
    )
    (page / "server.mjs").write_text(ON_THE_SERVER)
    (page / "browser.mjs").write_text(IN_THE_BROWSER)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("way", WAYS)
def test_a_page_on_each_react_shows_a_log(tmp_path: Path, way: str, version: str) -> None:
    page, library = tmp_path / "path" / "to" / "my-app", tmp_path / "path" / "to" / "libs" / "streamator-react"
    write_page(page, version)
    shutil.copytree(LIBRARY, library, ignore=shutil.ignore_patterns("node_modules", "dist"))
    lines = [line for line in WAYS[way].splitlines() if version == "17" or "# with React 17 alone" not in line]
    run("\n".join(lines).replace("path/to/", f"{tmp_path}/path/to/"), page)
    if way == "package":
        shutil.rmtree(library)  # the page has it all

    reacts = list(page.rglob("node_modules/react/package.json"))
    assert {str(path.relative_to(page)) for path in reacts} == {"node_modules/react/package.json"}
    assert json.loads(reacts[0].read_text(encoding="utf-8"))["version"] == VERSIONS[version]["react"]

    run("npx --no-install tsc", page)
    run("npx --no-install vite build --logLevel warn", page)
    shown = run("node browser.mjs", page)
    assert "stream idle, job idle" in shown
    assert "half way" in shown
    assert "A LINE" in shown
    assert "a line" in run("node server.mjs", page)
