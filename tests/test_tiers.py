"""The commands that check a generated project, for the answers that `make test` does not run them with."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from bake import TEMPLATE, bake
from conftest import install_packages

ENVIRONMENT = Path(sys.executable).parent.parent


def link_environment(project: Path) -> None:
    """Gives a project the environment that these tests run in as its own, by links: all is installed already.

    The project's own sources come first, by PYTHONPATH.
    """
    own = project / ".venv"
    own.mkdir()
    for entry in ENVIRONMENT.iterdir():
        if entry.name != ".installed":
            (own / entry.name).symlink_to(entry)
    (own / ".installed").touch()


def installed() -> dict[str, str]:
    """Which sources the environment of these tests runs: those that other tests use at the same time."""
    return {path.name: path.read_text() for path in ENVIRONMENT.glob("lib/python*/site-packages/__editable__*")}


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.long
@pytest.mark.parametrize(("store", "auth"), [("memory", "jwt"), ("dynamo", "none"), ("redis", "jwt")])
def test_a_new_project_passes_its_own_checks(template: Path, tmp_path: Path, store: str, auth: str) -> None:
    project = bake(template, tmp_path, store=store, auth=auth)
    # The libraries are the same whatever the answers, so what follows is all of `make check` but their own tests.
    assert contents(project / "libs") == contents(template / TEMPLATE / "libs")
    install_packages(project)
    link_environment(project)
    before = installed()
    assert before
    told = ("MAKEFLAGS", "MAKELEVEL", "PYTEST_ADDOPTS")  # what this run's own make and pytest were told
    environment = {name: value for name, value in os.environ.items() if name not in told}
    environment["PYTHONPATH"] = f"{project / 'backend'}:{project / 'libs' / 'streamator' / 'src'}"
    for command in (
        ["make", "--no-print-directory", "lint", "typecheck", "test-backend", "TIER=check"],
        ["npm", "run", "--silent", "build", "-w", "streamator-react"],
        ["npm", "test", "-w", "frontend"],
    ):
        done = subprocess.run(command, cwd=project, capture_output=True, text=True, env=environment, timeout=900)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert installed() == before
