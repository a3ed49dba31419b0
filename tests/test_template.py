"""What is in the repository and what comes out: which files are rendered, what no file may hold."""

from __future__ import annotations

import filecmp
import json
import os
import re
import stat
import subprocess
import sys
import zipfile
from fnmatch import fnmatch
from pathlib import Path

import pytest
from bake import REPOSITORY, TEMPLATE, bake, template_files
from conftest import git, run_cli

RENDERED = {
    "README.md",
    ".env.example",
    "Makefile",
    "LICENSE",
    "frontend/index.html",
    "backend/app/project.py",
}
DELIMITERS = ("<<", "<%", "<#")
FILES = template_files()
INSIDE = [name.removeprefix(f"{TEMPLATE}/") for name in FILES if name.startswith(f"{TEMPLATE}/")]
COPIED = json.loads((REPOSITORY / "cookiecutter.json").read_text(encoding="utf-8"))["_copy_without_render"]


def is_copied(name: str) -> bool:
    """Tells whether cookiecutter copies the file: a pattern fits it, or a folder above it."""
    path = Path(name)
    return any(fnmatch(str(part), pattern) for part in [path, *path.parents] for pattern in COPIED)


def text_of(path: Path) -> str | None:
    """Gives the file's text, or None for a binary file."""
    data = path.read_bytes()
    return None if b"\0" in data else data.decode("utf-8")


def test_exactly_the_listed_files_are_rendered() -> None:
    assert {name for name in INSIDE if not is_copied(name)} == RENDERED


def test_no_pattern_of_the_copied_files_is_left_over() -> None:
    unused = [
        pattern
        for pattern in COPIED
        if not any(fnmatch(str(part), pattern) for name in INSIDE for part in [Path(name), *Path(name).parents])
    ]
    # Those with a negation are for files to come, in the two folders of which one file is rendered.
    assert [pattern for pattern in unused if "[!" not in pattern] == []


def test_no_copied_file_holds_a_delimiter() -> None:
    found = [
        f"{name}:{number}: {line.strip()[:80]}"
        for name in INSIDE
        if name not in RENDERED and (text := text_of(REPOSITORY / TEMPLATE / name)) is not None
        for number, line in enumerate(text.splitlines(), 1)
        if any(delimiter in line for delimiter in DELIMITERS)
    ]
    assert found == []


def test_nothing_undelimited_is_left_in_the_output(default_project: Path) -> None:
    for name in RENDERED:
        text = (default_project / name).read_text(encoding="utf-8")
        assert not [delimiter for delimiter in (*DELIMITERS, "%>", "#>", "cookiecutter.") if delimiter in text], name


def test_the_output_is_all_the_files_of_the_template(default_project: Path) -> None:
    names = {str(path.relative_to(default_project)) for path in default_project.rglob("*") if path.is_file()}
    assert names == set(INSIDE)


def test_copied_files_are_byte_identical_with_the_same_modes(default_project: Path) -> None:
    for name in set(INSIDE) - RENDERED:
        source, copy = REPOSITORY / TEMPLATE / name, default_project / name
        assert filecmp.cmp(source, copy, shallow=False), name
        assert bool(source.stat().st_mode & stat.S_IXUSR) == bool(copy.stat().st_mode & stat.S_IXUSR), name


def test_the_libraries_come_out_whole(default_project: Path) -> None:
    for library in ("libs/streamator", "libs/streamator-react"):
        sources = [name for name in INSIDE if name.startswith(f"{library}/")]
        assert any(name.endswith("README.md") for name in sources)
        assert any("/src/" in name for name in sources)
        assert any("/tests/" in name for name in sources)


def test_text_files_have_unix_line_ends_and_a_last_newline(default_project: Path) -> None:
    for path in [REPOSITORY / name for name in FILES] + [default_project / name for name in RENDERED]:
        text = text_of(path)
        if text:  # py.typed and __init__.py may be empty
            assert "\r" not in text, path
            assert text.endswith("\n"), path


def test_the_lock_names_no_place_to_download_from() -> None:
    lock = json.loads((REPOSITORY / TEMPLATE / "package-lock.json").read_text(encoding="utf-8"))
    assert lock["packages"]
    for name, package in lock["packages"].items():
        assert "http" not in package.get("resolved", ""), name


def test_the_lock_holds_every_platform_of_the_optional_packages() -> None:
    packages = json.loads((REPOSITORY / TEMPLATE / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    wanted = {
        (name, optional) for name, package in packages.items() for optional in package.get("optionalDependencies", {})
    }
    assert wanted
    for name, optional in wanted:
        assert f"node_modules/{optional}" in packages or f"{name}/node_modules/{optional}" in packages, (
            f"{name} wants {optional}, which npm ci will not find"
        )


def test_the_lock_and_the_package_files_agree() -> None:
    packages = json.loads((REPOSITORY / TEMPLATE / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    for folder in ("", "frontend", "e2e", "libs/streamator-react"):
        manifest = json.loads((REPOSITORY / TEMPLATE / folder / "package.json").read_text(encoding="utf-8"))
        for kind in ("dependencies", "devDependencies", "peerDependencies"):
            assert manifest.get(kind, {}) == packages[folder].get(kind, {}), f"{folder or 'root'}: {kind}"


def test_no_file_names_the_host_of_a_package_registry() -> None:
    # Put together here, since this file is one of those that are searched.
    hosts = [".".join(parts) for parts in (("registry", "npmjs"), ("registry", "yarnpkg"), ("pypi", "org"))]
    hosts += [".".join(parts) for parts in (("files", "pythonhosted"), ("deb", "debian"), ("npm", "pkg", "github"))]
    pattern = re.compile("|".join(re.escape(host) for host in hosts), re.IGNORECASE)
    found = [name for name in FILES if (text := text_of(REPOSITORY / name)) is not None and pattern.search(text)]
    assert found == []


# Run by every Python that the command line starts, the hooks too: any use of the network then fails.
NO_NETWORK = """
import socket
def refuse(*arguments, **options):
    raise OSError("the network was used")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = socket.create_connection = refuse
"""


def test_generation_needs_no_network(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(NO_NETWORK)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    probe = [sys.executable, "-c", "import socket; socket.create_connection(('127.0.0.1', 9))"]
    assert "the network was used" in subprocess.run(probe, capture_output=True, text=True).stderr
    result = run_cli(template, tmp_path)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "streamator-app" / "Makefile").is_file()


def test_the_next_steps_are_printed(template: Path, tmp_path: Path) -> None:
    result = run_cli(template, tmp_path, project_slug="my-thing")
    assert result.returncode == 0, result.stderr
    assert "cd my-thing" in result.stdout
    assert "make dev" in result.stdout
    assert "make user" not in result.stdout


def test_where_people_sign_in_the_first_of_them_is_a_step(template: Path, tmp_path: Path) -> None:
    result = run_cli(template, tmp_path, auth="jwt")
    assert result.returncode == 0, result.stderr
    steps = re.findall(r"^ {4}(.+?)(?: {2,}|$)", result.stdout, re.MULTILINE)
    assert steps == ["cd streamator-app", "make user NAME=you", "make dev"]
    dry = subprocess.run(
        ["make", "--dry-run", "user", "NAME=you"], cwd=tmp_path / "streamator-app", capture_output=True, text=True
    )
    assert "-m app.auth add-user" in dry.stdout


def test_hooks_leave_nothing_in_the_project(template: Path, tmp_path: Path, default_project: Path) -> None:
    result = run_cli(template, tmp_path, "--accept-hooks", "no")
    assert result.returncode == 0, result.stderr
    without = {path.relative_to(tmp_path / "streamator-app") for path in (tmp_path / "streamator-app").rglob("*")}
    assert without == {path.relative_to(default_project) for path in default_project.rglob("*")}


@pytest.fixture(scope="module")
def repository(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bare git repository: v1 is like the working tree, main has another default name."""
    folder = tmp_path_factory.mktemp("git") / "streamator"
    subprocess.run(["cp", "-R", str(template), str(folder)], check=True)
    git(folder, "init")
    git(folder, "add", "--all")
    git(folder, "commit", "-m", "one")
    git(folder, "tag", "v1")
    answers = (folder / "cookiecutter.json").read_text(encoding="utf-8")
    (folder / "cookiecutter.json").write_text(answers.replace('"Streamator App"', '"Later App"'), encoding="utf-8")
    git(folder, "commit", "--all", "-m", "two")
    bare = folder.with_name("streamator.git")
    git(folder, "clone", "--bare", str(folder), str(bare))
    return bare


def test_it_bakes_from_a_git_address(repository: Path, tmp_path: Path) -> None:
    result = run_cli(repository.as_uri(), tmp_path)
    assert result.returncode == 0, result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["later-app"]


def test_it_bakes_from_a_tag_of_a_git_address(repository: Path, tmp_path: Path, default_project: Path) -> None:
    result = run_cli(repository.as_uri(), tmp_path, "-c", "v1")
    assert result.returncode == 0, result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["streamator-app"]
    for name in INSIDE:
        assert filecmp.cmp(tmp_path / "streamator-app" / name, default_project / name, shallow=False), name


def test_it_bakes_from_a_zip(template: Path, tmp_path: Path, default_project: Path) -> None:
    archive = tmp_path / "streamator.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("streamator-main/", "")
        for name in sorted(FILES):
            for folder in reversed(Path(name).parents[:-1] if len(Path(name).parents) > 1 else []):
                if f"streamator-main/{folder}/" not in file.namelist():
                    file.writestr(f"streamator-main/{folder}/", "")
            file.write(template / name, f"streamator-main/{name}")
    (tmp_path / "output").mkdir()
    result = run_cli(archive, tmp_path / "output")
    assert result.returncode == 0, result.stdout + result.stderr
    for name in INSIDE:
        assert filecmp.cmp(tmp_path / "output" / "streamator-app" / name, default_project / name, shallow=False), name


def test_a_second_bake_over_the_first_gives_the_same(template: Path, tmp_path: Path) -> None:
    first = bake(template, tmp_path)
    before = {path: path.read_bytes() for path in first.rglob("*") if path.is_file()}
    assert run_cli(template, tmp_path, "--overwrite-if-exists").returncode == 0
    assert {path: path.read_bytes() for path in first.rglob("*") if path.is_file()} == before


def test_make_alone_lists_every_command(default_project: Path) -> None:
    listing = subprocess.run(["make"], cwd=default_project, capture_output=True, text=True, timeout=30)
    assert listing.returncode == 0, listing.stderr
    commands = {line.split()[0] for line in listing.stdout.splitlines() if line.startswith("  ")}
    everyday = {"help", "setup", "dev", "check", "test", "test-all", "e2e", "demo", "build", "clean", "update"}
    assert commands == everyday | {
        "user",
        "worker",
        "format",
        "lint",
        "typecheck",
        "schema",
        "settings",
        "pins",
        "audit",
        "sbom",
        "image",
        "e2e-engines",
    }


@pytest.mark.parametrize(
    ("variables", "tested"),
    [
        ({}, ["chromium", "webkit"]),
        ({"CI": "true"}, ["chromium", "firefox", "webkit"]),
        ({"FIREFOX_PATH": "/nowhere"}, ["chromium", "firefox", "webkit"]),
    ],
)
def test_a_browser_that_cannot_be_had_is_left_out_of_the_three_and_said_so_but_never_on_ci(
    default_project: Path, tmp_path: Path, variables: dict[str, str], tested: list[str]
) -> None:
    finder = tmp_path / "finds-no-firefox"
    finder.write_text('#!/bin/sh\ncase "$*" in *firefox*) exit 1;; esac\n')
    finder.chmod(0o755)
    command = ["make", "e2e-engines", f"PY={finder}", "MAKE=echo", "PY_MARK=", "JS_MARK="]
    environment = {
        name: value for name, value in os.environ.items() if name not in ("CI", "FIREFOX_PATH", "WEBKIT_PATH")
    }
    result = subprocess.run(
        command, cwd=default_project, capture_output=True, text=True, env=environment | variables, timeout=30
    )
    assert result.returncode == 0, result.stderr
    assert re.findall(r"ENGINE=(\w+)", result.stdout) == tested
    assert ("not tested, for want of the browser: firefox" in result.stdout) == ("firefox" not in tested)


@pytest.mark.parametrize(
    ("variable", "program", "answer", "says"),
    [
        ("PYTHON", "no-such-python", None, "Install Python 3.10 or later"),
        ("PYTHON", "python-old", "exit 1", "too old. Install Python 3.10 or later"),
        (
            "PYTHON",
            "python-bare",
            'case "$*" in *ensurepip*) exit 1;; esac; exit 0',
            "apt install python3-venv",
        ),
    ],
)
def test_a_python_that_will_not_do_is_a_clear_error(
    default_project: Path, tmp_path: Path, variable: str, program: str, answer: str | None, says: str
) -> None:
    if answer is not None:
        (tmp_path / program).write_text(f"#!/bin/sh\n{answer}\n")
        (tmp_path / program).chmod(0o755)
    result = subprocess.run(
        ["make", "setup", f"{variable}={program}", f"VENV={tmp_path / 'venv'}"],
        cwd=default_project,
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        timeout=30,
    )
    assert result.returncode == 2
    assert says in result.stderr
    assert program in result.stderr
    assert not (tmp_path / "venv").exists()


def test_a_node_that_is_too_old_is_a_clear_error(default_project: Path, tmp_path: Path) -> None:
    for name in ("node", "npm"):
        (tmp_path / name).write_text('#!/bin/sh\ntest "$1" = --version && { echo v18.0.0; exit 0; }\nexit 1\n')
        (tmp_path / name).chmod(0o755)
    result = subprocess.run(
        ["make", "node_modules/.installed"],
        cwd=default_project,
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        timeout=30,
    )
    assert result.returncode == 2
    assert "Node.js is v18.0.0: too old. Install Node.js 20.19 or later." in result.stderr
