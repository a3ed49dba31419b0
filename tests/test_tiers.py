"""The commands that check a generated project, for the answers that `make test` does not run them with."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from bake import bake
from conftest import install_packages

ENVIRONMENT = Path(sys.executable).parent.parent


def make(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs make in the environment that these tests run in, where all is installed already."""
    folder = os.path.relpath(ENVIRONMENT, project)
    command = ["make", "--no-print-directory", f"VENV={folder}", "-o", f"{folder}/.installed", *arguments]
    told = ("MAKEFLAGS", "MAKELEVEL", "PYTEST_ADDOPTS")  # what this run's own make and pytest were told
    environment = {name: value for name, value in os.environ.items() if name not in told}
    return subprocess.run(command, cwd=project, capture_output=True, text=True, env=environment, timeout=900)


@pytest.mark.long
@pytest.mark.parametrize(("store", "auth"), [("memory", "jwt"), ("dynamo", "none"), ("redis", "jwt")])
def test_a_new_project_passes_its_own_checks(template: Path, tmp_path: Path, store: str, auth: str) -> None:
    project = bake(template, tmp_path, store=store, auth=auth)
    install_packages(project)
    done = make(project, "check")
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
