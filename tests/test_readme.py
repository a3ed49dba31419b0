"""What the two READMEs tell people to do is done here as it stands there, offline where that is possible."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from bake import REPOSITORY, TEMPLATE, bake
from conftest import install_packages, run_cli

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


def snippets(text: str, language: str) -> list[str]:
    """Gives the fenced pieces of code of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def shell(text: str, holding: str) -> list[str]:
    """Gives the lines of the one shell snippet that holds the words."""
    found = [snippet for snippet in snippets(text, "sh") if holding in snippet]
    assert len(found) == 1, f"{holding!r} is in {len(found)} snippets"
    return found[0].splitlines()


def table(text: str, head: str) -> dict[str, list[str]]:
    """Gives the rows of the table with this first heading: the name in backticks, then the other cells."""
    lines = text[text.index(f"| {head} |") :].splitlines()
    rows: dict[str, list[str]] = {}
    for line in lines[2:]:
        if not line.startswith("|"):
            break
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        rows[cells[0].strip().strip("`")] = cells[1:]
    return rows


def run(command: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs a line of a shell snippet, which must succeed."""
    environment = {**os.environ, **variables}
    result = subprocess.run(
        ["sh", "-ec", command], cwd=folder, capture_output=True, text=True, env=environment, timeout=300
    )
    assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"
    return result


def test_the_two_commands_come_first_and_are_those_of_the_makefile() -> None:
    commands = [line.partition("#")[0].strip() for line in snippets(README, "sh")[0].splitlines()]
    assert commands == ["make dev", "make test"]
    listing = run("make help", REPOSITORY).stdout
    assert all(re.search(rf"^  {command.split()[1]} ", listing, re.MULTILINE) for command in commands)


def test_the_command_with_questions_makes_a_project_that_make_understands(template: Path, tmp_path: Path) -> None:
    bake_line, start_line = shell(README, "cd streamator-app && make dev")
    arguments = shlex.split(bake_line)
    assert arguments[:2] == ["cookiecutter", "gh:org/streamator"]
    assert run_cli(template, tmp_path, *arguments[2:]).returncode == 0
    result = run(start_line.replace("make dev", "make --dry-run dev"), tmp_path)
    assert "scripts/dev.py" in result.stdout


def test_the_command_without_questions_works(template: Path, tmp_path: Path) -> None:
    (line,) = shell(README, "--no-input")
    arguments = shlex.split(line)[2:]
    arguments.remove("--no-input")  # run_cli says it already
    result = run_cli(template, tmp_path, *arguments)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "paper-mill" / "Makefile").is_file()


def test_the_questions_are_those_that_are_asked() -> None:
    answers = json.loads((REPOSITORY / "cookiecutter.json").read_text(encoding="utf-8"))
    asked = [name for name in answers if not name.startswith("_")]
    assert list(table(README, "question")) == asked
    assert set(answers["__prompts__"]) == set(asked)
    for name in ("project_name", "author", "backend_port", "frontend_port"):
        assert table(README, "question")[name][0] == answers[name]
    for name in ("store", "workers", "auth", "license"):
        assert table(README, "question")[name][0] == answers[name][0]
        assert all(f"`{choice}`" in table(README, "question")[name][1] for choice in answers[name])


def test_what_comes_out_is_what_is_listed(default_project: Path) -> None:
    listing = README[README.index("## What comes out") : README.index("## Either library")]
    names = re.findall(r"^ {4}([\w./-]+) {2,}", listing, re.MULTILINE)
    assert len(names) > 5
    assert all((default_project / name).exists() for name in names)


def test_what_the_threat_models_name_is_there(default_project: Path) -> None:
    folders = (default_project, REPOSITORY)  # each names files of the other, too
    for folder in folders:
        text = (folder / "SECURITY.md").read_text(encoding="utf-8")
        names = re.findall(r"`((?:backend|frontend|e2e|ops|scripts|tests)/[^`]+)`", text)
        assert names
        assert [name for name in names if not any((each / name).exists() for each in folders)] == []


def test_every_command_of_the_tables_is_there(default_project: Path) -> None:
    for folder, text in (
        (REPOSITORY, README),
        (default_project, (default_project / "README.md").read_text(encoding="utf-8")),
    ):
        listing = subprocess.run(["make", "help"], cwd=folder, capture_output=True, text=True).stdout
        commands = set(re.findall(r"^  ([a-z0-9-]+) ", listing, re.MULTILINE))
        named = {name.split()[1] for name in re.findall(r"`(make [a-z0-9-]+)", text)}
        assert named <= commands, f"{folder}: {named - commands}"


def test_the_settings_are_those_of_the_app(default_project: Path) -> None:
    text = (default_project / "README.md").read_text(encoding="utf-8")
    rows = table(text, "name")
    script = (
        "import json; from app.settings import Settings; fields = Settings.model_fields.items();"
        "print(json.dumps({name.upper(): field.default for name, field in fields}, default=str))"
    )
    result = subprocess.run(
        [sys.executable, "-c", script],
        cwd=default_project,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(default_project / "backend")},
    )
    assert result.returncode == 0, result.stderr
    defaults = json.loads(result.stdout)
    assert set(rows) == set(defaults)
    for name, value in defaults.items():
        shown = rows[name][0].strip("`")
        assert shown == {None: "unset", True: "true", False: "false"}.get(value, str(value)), name
    example = (default_project / ".env.example").read_text(encoding="utf-8")
    assert set(defaults) <= set(re.findall(r"^# ([A-Z_]+)=", example, re.MULTILINE))


@pytest.mark.parametrize("where", ["root", "project"])
def test_the_python_snippets_parse(default_project: Path, where: str) -> None:
    text = README if where == "root" else (default_project / "README.md").read_text(encoding="utf-8")
    found = snippets(text, "python")
    assert found
    for snippet in found:
        ast.parse(snippet)


def test_the_example_service_streams_its_log(default_project: Path, tmp_path: Path) -> None:
    (snippet,) = snippets(README, "python")
    (tmp_path / "service.py").write_text(snippet)
    script = """
import asyncio, httpx, service
async def main():
    transport = httpx.ASGITransport(app=service.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        job = (await client.post("/jobs")).json()["job_id"]
        print((await client.get(f"/log/{job}/stream")).text)
asyncio.run(main())
"""
    result = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{default_project / 'libs' / 'streamator' / 'src'}"},
    )
    assert result.returncode == 0, result.stderr
    events = [json.loads(line[5:]) for line in result.stdout.splitlines() if line.startswith("data:")]
    assert [event.get("message") for event in events[:-1]] == ["Step 1", "Step 2", "Step 3", "All done"]
    assert events[-1]["event"] == "done"


def test_the_example_job_runs(default_project: Path) -> None:
    (snippet,) = snippets((default_project / "README.md").read_text(encoding="utf-8"), "python")
    script = f"""
import asyncio, streamator
code = {snippet!r}
names = {{}}
exec(code, names)
async def no_sleep(seconds): pass
asyncio.sleep = no_sleep
emitter = streamator.JobEmitter(job_id="x", attempt="next")
print(asyncio.run(names["count"](emitter, names["CountArgs"](upto=10))))
"""
    code = os.pathsep.join(str(default_project / each) for each in ("backend", "libs/streamator/src"))
    result = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": code},
    )
    assert result.stdout.strip() == "{'counted': 10}", result.stderr


def test_the_page_snippets_have_the_right_types(template: Path, tmp_path: Path) -> None:
    project = bake(template, tmp_path)
    install_packages(project)
    run("npm run build -w streamator-react", project)
    for number, text in enumerate((README, (project / "README.md").read_text(encoding="utf-8"))):
        (snippet,) = snippets(text, "tsx")
        (project / "frontend" / "src" / f"Readme{number}.tsx").write_text(snippet)
    run("npm run typecheck -w frontend", project)
    wrong = project / "frontend" / "src" / "Readme0.tsx"
    wrong.write_text(wrong.read_text().replace("logs={logs}", "logs={7}"))
    with pytest.raises(AssertionError, match="Readme0.tsx"):
        run("npm run typecheck -w frontend", project)


def test_the_production_command_serves_the_built_page(template: Path, tmp_path: Path) -> None:
    project = bake(template, tmp_path, project_name="In Production")
    install_packages(project)
    build_line, serve_line = shell((project / "README.md").read_text(encoding="utf-8"), "make build")
    assert build_line == "make build"  # stands in: what that target runs, without its installation
    run("npm run build -w streamator-react && npm run build -w frontend", project)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "PYTHONPATH": f"{project / 'backend'}:{project / 'libs' / 'streamator' / 'src'}",
        "BACKEND_PORT": str(port),
    }
    command = serve_line.replace(".venv/bin/python", f"exec {shlex.quote(sys.executable)}")
    server = subprocess.Popen(["sh", "-c", command], cwd=project, env=environment)
    try:
        page = ""
        deadline = time.monotonic() + 60
        while not page and server.poll() is None and time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
                    page = answer.read().decode()
            except OSError:
                time.sleep(0.1)
        assert "<title>In Production</title>" in page
        (script,) = re.findall(r'src="\./(assets/[^"]+\.js)"', page)  # below the page's <base>
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{script}", timeout=5) as answer:
            assert "javascript" in answer.headers["content-type"]
    finally:
        server.terminate()
        server.wait(30)


def test_several_servers_run_on_one_folder_at_the_ports_that_nginx_has(default_project: Path, tmp_path: Path) -> None:
    text = "\n".join(shell((default_project / "README.md").read_text(encoding="utf-8"), "BACKEND_PORT=8001"))
    assert re.findall(r"BACKEND_PORT=(\d+)", text) == re.findall(
        r"^    server 127\.0\.0\.1:(\d+) ", (default_project / "ops" / "nginx.conf").read_text(), re.MULTILINE
    )
    ports = []
    for port in ("8000", "8001"):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            ports.append(str(probe.getsockname()[1]))
        text = text.replace(f"BACKEND_PORT={port}", f"BACKEND_PORT={ports[-1]}")
    # Without the page, which is not built here. Redis need not be there: then the servers say that it is not.
    text = text.replace("STATIC_DIR=frontend/dist", "").replace("/var/lib/app", shlex.quote(str(tmp_path / "data")))
    text = text.replace(".venv/bin/python", shlex.quote(sys.executable))
    path = f"{default_project / 'backend'}:{default_project / 'libs' / 'streamator' / 'src'}"
    environment = {**os.environ, "PYTHONPATH": path}
    servers = subprocess.Popen(
        ["sh", "-c", f"{text}\nwait"], cwd=default_project, env=environment, start_new_session=True
    )
    try:
        deadline = time.monotonic() + 60
        while ports and servers.poll() is None and time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{ports[0]}/healthz", timeout=5):
                    ports.pop(0)
            except OSError:
                time.sleep(0.1)
        assert not ports
    finally:
        os.killpg(servers.pid, signal.SIGTERM)
        servers.wait(30)


def test_the_python_library_installs_alone(template: Path, tmp_path: Path) -> None:
    bake(template, tmp_path)
    (tmp_path / "my-service").mkdir()
    copy_line, install_line = shell(README, "libs/streamator my-service")
    run(copy_line, tmp_path)
    run(f"{shlex.quote(sys.executable)} -m venv venv", tmp_path)
    # Without the hashes, which pip would then want of the folder too.
    pins = (REPOSITORY / TEMPLATE / "backend" / "constraints.txt").read_text(encoding="utf-8")
    versions = tmp_path / "versions.txt"
    versions.write_text("\n".join(re.findall(r"^\w[^\\\n]+", pins, re.MULTILINE)), encoding="utf-8")
    result = run(
        install_line,
        tmp_path,
        PATH=f"{tmp_path / 'venv' / 'bin'}:{os.environ['PATH']}",
        PIP_CONSTRAINT=str(versions),
        PIP_DISABLE_PIP_VERSION_CHECK="1",
    )
    assert "Successfully installed" in result.stdout
    code = "import streamator.fastapi, streamator; print(streamator.__file__)"
    where = run(f"venv/bin/python -c {shlex.quote(code)}", tmp_path).stdout
    assert str(tmp_path / "venv") in where


def test_the_react_library_packs_and_installs_alone(template: Path, tmp_path: Path) -> None:
    project = bake(template, tmp_path)
    install_packages(project)
    page = tmp_path / "my-page"
    page.mkdir()
    react = {name: f"file:{REPOSITORY / TEMPLATE / 'node_modules' / name}" for name in ("react", "react-dom")}
    (page / "package.json").write_text(json.dumps({"name": "my-page", "private": True, "dependencies": react}))
    setup, build, pack, install = shell(README, "npm pack")
    assert setup == "cd streamator-app && make setup"  # stands in: the node_modules that are here already
    run(build, project)
    run(pack, project)
    assert install.startswith("cd ../my-page && ")
    run(install.removeprefix("cd ../my-page && ") + " --offline", page)
    package = page / "node_modules" / "streamator-react"
    manifest = json.loads((package / "package.json").read_text(encoding="utf-8"))
    assert set(manifest["exports"]) >= {".", "./log.css", "./log-compat.css"}
    for css in ("log.css", "log-compat.css"):
        assert list(package.rglob(css)), css
    assert list(package.rglob("*.d.ts"))
    assert not (package / "tests").exists()
