"""What the tests share: a clean copy of the repository, a baked default project."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from bake import REPOSITORY, bake, copy_repository, keep_bytecode_apart

keep_bytecode_apart()
PROJECT = REPOSITORY / "build" / "project"


def pytest_make_parametrize_id(val: object) -> str | None:
    """No test is named after bytes: what is compressed has the time in it, and each process needs the same names."""
    return "bytes" if isinstance(val, bytes) else None


@pytest.fixture(scope="session", autouse=True)
def own_cookiecutter_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Folders of the tests' own for cookiecutter's replays and clones: the developer's stay out of it."""
    folder = tmp_path_factory.mktemp("cookiecutter")
    config = folder / "config.yaml"
    config.write_text(f"cookiecutters_dir: {folder / 'clones'}\nreplay_dir: {folder / 'replays'}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COOKIECUTTER_CONFIG", str(config))
        yield


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository's own files, as a clone would hold them."""
    return copy_repository(tmp_path_factory.mktemp("template") / "streamator")


@pytest.fixture(scope="session")
def default_project(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project that comes out when every question is answered with Enter. Not to be changed by a test."""
    return bake(template, tmp_path_factory.mktemp("default"))


def install_packages(project: Path) -> None:
    """Gives a baked project the npm packages that `make setup` has put into build/project, by links.

    Nothing is downloaded. Only the project's own workspace is its own.
    """
    source, target = PROJECT / "node_modules", project / "node_modules"
    assert source.is_dir(), "run `make setup` first"
    target.mkdir()
    for entry in source.iterdir():
        if entry.name not in ("streamator-react", "frontend", "e2e", ".installed", ".package-lock.json"):
            (target / entry.name).symlink_to(entry)
    (target / "streamator-react").symlink_to(project / "libs" / "streamator-react")
    (target / ".installed").touch()


def run_cli(template: Path | str, output: Path, *arguments: str, **answers: str) -> subprocess.CompletedProcess[str]:
    """Runs the real command line: `cookiecutter TEMPLATE --no-input -o OUTPUT name=value ...`."""
    command = [
        sys.executable,
        "-m",
        "cookiecutter",
        str(template),
        "--no-input",
        "-o",
        str(output),
        *arguments,
    ]
    command += [f"{name}={value}" for name, value in answers.items()]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ, timeout=120)


def git(folder: Path, *arguments: str) -> None:
    """Runs git with a name of its own, whatever the machine's configuration."""
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)
