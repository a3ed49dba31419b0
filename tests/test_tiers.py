"""The commands that check a generated project, for the answers that `make test` does not run them with."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from bake import bake
from conftest import PROJECT, install_packages

ENVIRONMENT = Path(sys.executable).parent.parent


def make(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs make in the environment that these tests run in, where all is installed already."""
    environment = os.path.relpath(ENVIRONMENT, project)
    command = ["make", "--no-print-directory", f"VENV={environment}", "-o", f"{environment}/.installed", *arguments]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, env=own_environment(), timeout=900)


def own_environment(**variables: str) -> dict[str, str]:
    """The environment without what this run's make and pytest were told."""
    told = ("MAKEFLAGS", "MAKELEVEL", "PYTEST_ADDOPTS")
    return {**{name: value for name, value in os.environ.items() if name not in told}, **variables}


@pytest.mark.long
@pytest.mark.parametrize(("store", "auth"), [("memory", "jwt"), ("dynamo", "none"), ("redis", "jwt")])
def test_a_new_project_passes_its_own_checks(template: Path, tmp_path: Path, store: str, auth: str) -> None:
    project = bake(template, tmp_path, store=store, auth=auth)
    install_packages(project)
    done = make(project, "check")
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


@pytest.mark.parametrize("folder", ["libs/streamator", "backend"])
def test_tests_have_the_same_names_in_every_process_and_at_any_time(folder: str) -> None:
    """As pytest-xdist needs it. Names that hold the time, the order of a set or an address in memory differ here."""
    listed = []
    for seed in ("1", "2"):
        command = [sys.executable, "-m", "pytest", "-p", "no:randomly", "-p", "no:cacheprovider", "--collect-only"]
        environment = own_environment(PYTHONHASHSEED=seed)
        done = subprocess.run(
            command, cwd=PROJECT / folder, capture_output=True, text=True, env=environment, timeout=120
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        listed.append([line for line in done.stdout.splitlines() if "::" in line])
    assert len(listed[0]) > 100
    assert listed[0] == listed[1]
