"""The React library in pages of other people, by each way of its README: built, rendered, streamed to over a cut."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from bake import REPOSITORY, TEMPLATE
from host import HERE, Host
from log_server import CURSOR, LINES, LogServer

pytestmark = pytest.mark.long  # downloads much, and a new page each time

PROJECT = REPOSITORY / TEMPLATE
LIBRARY = PROJECT / "libs" / "streamator-react"
README = (LIBRARY / "README.md").read_text(encoding="utf-8")
INSTALL, HOSTS = (README.split(f"\n## {title}\n")[1].split("\n## ")[0] for title in ("Install", "Hosts"))
WAYS = dict(zip(("workspace", "package"), re.findall(r"```sh\n(.*?)```", INSTALL, re.DOTALL), strict=True))
(PREACT,) = re.findall(r"```sh\nnpm install (.*?)\n```", HOSTS)
(JEST,) = re.findall(r"```js\n(// jest.config.js\n.*?)```", HOSTS, re.DOTALL)
(SOURCE,) = re.findall(r"```ts\n(// vite.config.ts\n.*?streamator-source.*?)```", README, re.DOTALL)

TYPES_18 = {"@types/react": "18.3.32", "@types/react-dom": "18.3.7"}
REACTS = {
    "17": {"react": "17.0.2", "react-dom": "17.0.2", "@types/react": "17.0.93", "@types/react-dom": "17.0.26"},
    "18": {"react": "18.3.1", "react-dom": "18.3.1", **TYPES_18},
    "19": {"react": "19.3.1", "react-dom": "19.3.1", "@types/react": "19.3.0", "@types/react-dom": "19.3.0"},
    "preact": {
        "preact": "11.2.0",
        "preact-render-to-string": "6.8.2",
        "react": "npm:@preact/compat@18.3.2",
        "react-dom": "npm:@preact/compat@18.3.2",
        **TYPES_18,
    },
}
ENVIRONMENT = {
    "NEXT_TELEMETRY_DISABLED": "1",
    **{f"npm_config_{name}": "false" for name in ("audit", "fund", "update_notifier")},
    "npm_config_prefer_offline": "true",
}


def run(command: str, folder: Path, **environment: str) -> str:
    """Runs lines of shell with what npm installed above and there; they must succeed. Gives all that they printed."""
    found = [f"{each}/node_modules/.bin" for each in (folder.parent, folder)]
    result = subprocess.run(
        ["sh", "-ec", command],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **ENVIRONMENT, "PATH": ":".join([*found, os.environ["PATH"]]), **environment},
        timeout=600,
    )
    assert result.returncode == 0, f"{command}\n{result.stdout}"
    return result.stdout


@pytest.fixture(scope="session")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tools of all pages; `libs` has the library, `packed/libs` one that is packed. Made once."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "hosts"
    with Path(f"{folder}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            making = folder.with_suffix(".making")
            shutil.copytree(HERE / "react_tools", making)
            run("npm install", making)
            for place in (making, making / "packed"):
                unused = shutil.ignore_patterns("node_modules", "dist")
                shutil.copytree(LIBRARY, place / "libs" / "streamator-react", ignore=unused)
            pack, _ = WAYS["package"].splitlines()
            run(pack.replace("path/to", str(making / "packed")), making)
            making.rename(folder)
    return folder


@pytest.fixture
def logs(hosts: Path) -> Iterator[LogServer]:
    server = LogServer(hosts)
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def chromium() -> str:
    return run(f"{shlex.quote(sys.executable)} scripts/browser.py 2>/dev/null", PROJECT).strip()


def install(page: Path, way: str, react: str) -> None:
    """Brings the library into a page by the lines of its README; there is one React then."""
    lines = [line for line in WAYS[way].splitlines() if react == "17" or "# with React 17 alone" not in line]
    if way == "package":
        lines.pop(0)  # it is packed already
    places = {"path/to/my-app": page, "path/to/libs": page.parent / ("packed/libs" if way == "package" else "libs")}
    text = "\n".join(lines)
    for place, folder in places.items():
        text = text.replace(place, str(folder))
    run(text, page)
    (found,) = page.rglob("node_modules/react/package.json")
    assert json.loads(found.read_text(encoding="utf-8"))["version"] == REACTS[react]["react"].split("@")[-1]


def in_the_browser(chromium: str, url: str) -> dict[str, Any]:
    """What a page in Chromium shows at its end; the console has said nothing, and the styles are there."""
    playwright = PROJECT / "node_modules" / "playwright-core" / "index.mjs"
    command = ["node", "browser.mjs", chromium, str(playwright), url]
    shown: dict[str, Any] = json.loads(run(shlex.join(command), HERE))
    assert shown.pop("told") == []  # that the server's page was another, say
    assert shown.pop("styled")
    return shown


def assert_shows_all(shown: dict[str, Any], logs: LogServer, name: str) -> None:
    """All of each log is shown, once and in order, though each was cut off: streams were resumed."""
    assert shown["states"] == "ended ended completed"
    assert shown["logs"] == [LINES] * 3
    assert [word for word in ("40", "A draft", "Reader") if word not in shown["text"]] == []
    for stream in (name, f"{name}-job"):
        assert [cursor for cursor in logs.cursors[stream] if cursor] == [str(CURSOR)]
    assert logs.polls[name] >= 3


def test_the_readme_names_what_is_tried() -> None:
    tools, next_page = (
        json.loads((HERE / folder / "package.json").read_text()) for folder in ("react_tools", "next_page")
    )
    tried = {**tools["devDependencies"], **next_page["dependencies"], **REACTS["preact"]}
    for host, package in {
        "Jest": "jest",
        "Next.js": "next",
        "Preact": "preact",
        "React Compiler": "babel-plugin-react-compiler",
        "Vite": "vite",
        "Vitest": "vitest",
        "webpack": "webpack",
    }.items():
        assert f"{host} {tried[package].split('.')[0]}" in HOSTS
    words = [f"{name}@{pin.rsplit('@', 1)[0]}" if "npm:" in pin else name for name, pin in REACTS["preact"].items()]
    assert [word for word in words if "@types" not in word] == PREACT.split()


# Each React and each way meets each bundler and each test runner: pairs, and no product of all.
@pytest.mark.parametrize(
    ("react", "way", "bundler", "runner"),
    [
        ("17", "workspace", "vite", "jest"),
        ("17", "package", "webpack", "vitest"),
        ("18", "workspace", "webpack", "vitest"),
        ("18", "package", "vite", "jest"),
        ("19", "workspace", "vite", "jest"),
        ("19", "package", "webpack", "vitest"),
        ("preact", "workspace", "webpack", "vitest"),
        ("preact", "package", "vite", "jest"),
    ],
)
def test_a_page_shows_a_log_over_a_cut(
    hosts: Path, logs: LogServer, chromium: str, react: str, way: str, bundler: str, runner: str
) -> None:
    page = hosts / f"react-{react}-{way}"
    shutil.copytree(HERE / "react_page", page)
    if react == "17":
        shutil.copy(page / "src" / "roots17.ts", page / "src" / "roots.ts")
    (page / "src" / "roots17.ts").unlink()
    manifest = {"name": "my-app", "private": True, "type": "module", "dependencies": REACTS[react]}
    (page / "package.json").write_text(json.dumps(manifest))
    install(page, way, react)
    assert run("tsc", page) == ""

    # Node's own modules, no bundler; what they render is the page that the browser gets.
    node = json.loads(run(f"node server.mjs {logs.base} node", page))
    assert node["lines"] == LINES
    assert logs.cursors["node"] == [None, str(CURSOR)]

    # By Vite as it is served; by webpack the development build of React, with its own checks of what it hydrates.
    if bundler == "vite":
        assert run("vite build --logLevel warn", page) == ""
        html = (page / "dist" / "index.html").read_text()
    else:
        assert run("webpack --mode development", page).startswith("webpack compiled successfully")
        html = (page / "index.html").read_text().replace('type="module" src="/src/main.tsx"', 'defer src="main.js"')
    (page / "dist" / "index.html").write_text(html.replace("<!--server-->", node["html"]))
    shown = in_the_browser(chromium, f"{logs.pages}/{page.name}/dist/index.html?base={logs.base}&name=page")
    assert_shows_all(shown, logs, "page")
    assert [word for word in ("stream idle, job idle", "half way", "A LINE") if word not in shown["body"]] == []

    (page / "jest.config.js").write_text(JEST)
    (page / "no-styles.js").touch()
    dom = {"17": "happy-dom", "18": "jsdom", "19": "happy-dom", "preact": "jsdom"}[react]
    command = {"jest": "jest", "vitest": f"vitest run --environment {dom}"}[runner]
    run(command, page, LOG_BASE=logs.base, LOG_NAME="test")
    assert_shows_all(json.loads((page / "shown.json").read_text()), logs, "test")

    if way == "workspace":  # by the library's sources
        shutil.rmtree(page / "libs" / "streamator-react" / "dist")
        (page / "source.config.ts").write_text(SOURCE)
        run("vite build --config source.config.ts && tsc --customConditions streamator-source", page)
    shutil.rmtree(page)  # hundreds of megabytes


# Built and served by one way; the checks of React's development build by the other.
@pytest.mark.parametrize(("way", "serve"), [("package", "next start"), ("workspace", "next dev")])
def test_a_server_component_of_next_shows_a_log_over_a_cut(
    hosts: Path, logs: LogServer, chromium: str, way: str, serve: str
) -> None:
    page = hosts / f"next-{way}"
    shutil.copytree(HERE / "next_page", page)
    for name in ("App.js", "shown.js"):
        shutil.copy(HERE / "react_page" / "src" / name, page / "app")
    install(page, way, "19")
    if serve == "next start":
        run("next build", page)
    with Host(f"{page}/node_modules/.bin/{serve} {page}", page / "server.log", **ENVIRONMENT) as host:
        url = host.client.base_url.copy_with(host="localhost", params={"base": logs.base, "name": "next"})
        html = httpx.get(url, timeout=60).raise_for_status().text
        shown = in_the_browser(chromium, str(url))
    for text in (html, shown["body"]):
        assert [word for word in ("3 pages", "all of it", "Written", "Writer") if word not in text] == []
    assert "Starting…" in html  # what follows is rendered by the server, too
    assert_shows_all(shown, logs, "next")
    shutil.rmtree(page)


# What the linters of packages say of ours, and why it stays so. Another remark fails, and so does one that is gone.
ANSWERED = {
    "attw: CJSResolvesToESM of {} for node16-cjs": "it is ES modules alone, which Node can require from 20.19 on",
    "attw: NoResolution of {} for node10": "TypeScript's old way knows the main entry alone; version 7 has it no more",
}


def test_linters_of_packages_say_nothing_new(hosts: Path) -> None:
    (tarball,) = (hosts / "packed" / "libs" / "streamator-react").glob("*.tgz")
    said = set(json.loads(run(f"node package.mjs {shlex.quote(str(tarball))}", hosts)))
    entries = json.loads((LIBRARY / "package.json").read_text())["exports"].keys() - {"./package.json", "./examples/*"}
    answered = {remark.format(entry) for remark in ANSWERED for entry in entries}
    assert said == answered - {"attw: NoResolution of . for node10"}


def test_react_compiler_compiles_every_component_and_hook_and_reacts_lint_has_no_remark(hosts: Path) -> None:
    found = json.loads(run(f"node compiler.mjs {shlex.quote(str(LIBRARY / 'src'))}", hosts))
    assert found["said"] == []
    assert {"LogPanel", "LogSummary", "useLogStream", "useJob"} <= set(found["compiled"])
