"""`make update` brings a project up to its template, whether cruft or cookiecutter made it, and keeps what is its own.

It runs with the tools that scripts/update.txt pins; with the newest ones: UPDATE_TOOLS="cruft cookiecutter".
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from bake import REPOSITORY, TEMPLATE, bake
from conftest import git

VERSION = json.loads((REPOSITORY / "cookiecutter.json").read_text(encoding="utf-8"))["_template_version"]
NEXT = "99.0.0"


@pytest.fixture(scope="module")
def repository(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template in git: its version is tagged, and a next one has a new line in a copied and in a rendered file."""
    folder = tmp_path_factory.mktemp("git") / "streamator"
    shutil.copytree(template, folder)
    git(folder, "init")
    git(folder, "add", "--all")
    git(folder, "commit", "-m", "one")
    git(folder, "tag", f"v{VERSION}")
    for name in ("SECURITY.md", ".env.example"):
        with (folder / TEMPLATE / name).open("a", encoding="utf-8") as file:
            file.write("# New in the template\n")
    answers = (folder / "cookiecutter.json").read_text(encoding="utf-8")
    (folder / "cookiecutter.json").write_text(answers.replace(f'"{VERSION}"', f'"{NEXT}"'), encoding="utf-8")
    git(folder, "commit", "--all", "-m", "two")
    git(folder, "tag", f"v{NEXT}")
    return folder


def make_update(project: Path, *arguments: str, typed: str = "") -> str:
    command = ["make", "update", *arguments]
    result = subprocess.run(command, cwd=project, input=typed, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def commit(project: Path) -> None:
    """Puts all of the project into git, with a change of its own."""
    text = (project / "SECURITY.md").read_text(encoding="utf-8")
    (project / "SECURITY.md").write_text("Ours: ask Ada.\n\n" + text, encoding="utf-8")
    git(project, "init")
    git(project, "add", "--all")
    git(project, "commit", "-m", "the project")


def assert_updated(project: Path) -> None:
    security = (project / "SECURITY.md").read_text(encoding="utf-8")
    assert security.startswith("Ours: ask Ada.\n")
    assert security.endswith("# New in the template\n")
    assert (project / ".env.example").read_text(encoding="utf-8").endswith("# New in the template\n")
    assert f"TEMPLATE_VERSION := {NEXT}\n" in (project / "Makefile").read_text(encoding="utf-8")
    changed = subprocess.run(["git", "status", "--porcelain"], cwd=project, capture_output=True, text=True).stdout
    names = {line[3:] for line in changed.splitlines()}
    rendered = {".cruft.json", "Makefile", "README.md", "backend/app/project.py"}
    assert names == {"SECURITY.md", ".env.example", *rendered}, "nothing else, no *.rej"


@pytest.fixture(scope="module")
def tools(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The environment that `make update` installs."""
    project = bake(template, tmp_path_factory.mktemp("tools"))
    command = ["make", ".venv-update/.installed"]
    found = {**os.environ, "PATH": f"{os.environ['PATH']}:{Path(sys.executable).parent}"}  # with uv, which is quick
    result = subprocess.run(command, cwd=project, env=found, capture_output=True, text=True, timeout=600)
    assert result.returncode == 0, result.stdout + result.stderr
    return project / ".venv-update"


def test_a_project_that_cruft_made_is_updated(repository: Path, tools: Path, tmp_path: Path) -> None:
    command = [str(tools / "bin" / "cruft"), "create", str(repository), "--no-input", "--checkout", f"v{VERSION}"]
    command += ["--output-dir", str(tmp_path), "--extra-context", '{"store": "redis", "project_name": "Paper Mill"}']
    subprocess.run(command, check=True, capture_output=True)
    project = tmp_path / "paper-mill"
    cruft = json.loads((project / ".cruft.json").read_text(encoding="utf-8"))
    (project / ".cruft.json").write_text(json.dumps({**cruft, "checkout": None}), encoding="utf-8")
    shutil.copytree(tools, project / ".venv-update", symlinks=True)
    commit(project)
    assert "git diff HEAD" in make_update(project)
    assert_updated(project)
    assert "# STREAMATOR_STORE=redis\n" in (project / ".env.example").read_text(encoding="utf-8")
    git(project, "commit", "--all", "-m", "updated")
    assert "up to date" in make_update(project)


def test_a_project_that_cookiecutter_made_is_linked_and_updated(
    template: Path, repository: Path, tools: Path, tmp_path: Path
) -> None:
    project = bake(template, tmp_path, project_name="Paper Mill", store="redis", backend_port="8001")
    shutil.copytree(tools, project / ".venv-update", symlinks=True)
    commit(project)
    answers = ["Paper Mill", "", "", "", "3", "", "1", "1", "8001", "", "1", ""]  # the last is the commit to link to
    make_update(project, f"TEMPLATE={repository}", typed="\n".join(answers) + "\n")
    git(project, "add", "--all")
    git(project, "commit", "-m", "linked")
    make_update(project)
    assert_updated(project)
    example = (project / ".env.example").read_text(encoding="utf-8")
    assert "# STREAMATOR_STORE=redis\n" in example
    assert "# BACKEND_PORT=8001\n" in example
