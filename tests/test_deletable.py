"""Each page of the app can be deleted: its folders, its lines, its tests; all else goes on."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from bake import REPOSITORY, TEMPLATE
from conftest import install_packages

PAGES = {
    "agents": "agentsPage",
    "auth": "signInPage",
    "dashboard": "dashboardPage",
    "examples": "componentsPage",
    "generation": "generatePage",
    "ingest": "ingestPage",
}
"""The folder of each, and its line among the pages."""

# The packages of this repository are installed in a way that would still find a deleted folder.
PYTEST = """
import sys
sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in getattr(finder, "__module__", "")]
import pytest
sys.exit(pytest.main(["-q", "-x", "-p", "no:cacheprovider", *sys.argv[1:]]))
"""
# Of the backend's tests those that are about the whole, and the routes of each page: the inside of a page is its own.
ROUTES = (
    "test_main.py", "test_security.py", "test_jobs.py", "auth/test_sign_in.py", "*/test_router.py", "*/test_stats.py",
)  # fmt: skip


def remove_line(path: Path, line: str) -> None:
    text = path.read_text()
    assert text.count(line) == 1, f"{path.name} should have {line!r} once"
    path.write_text(text.replace(line, ""))


def delete(project: Path, page: str) -> None:
    """What somebody does who does not want a page."""
    for folder in ("backend/app", "backend/tests", "frontend/src", "frontend/tests"):
        shutil.rmtree(project / folder / page, ignore_errors=True)
    remove_line(project / "frontend/src/app/pages.ts", f'import {{ {PAGES[page]} }} from "../{page}";\n')
    remove_line(project / "frontend/src/app/pages.ts", f"  {PAGES[page]},\n")
    if page != "examples":  # it has nothing in the backend
        name = page.upper()
        remove_line(project / "backend/app/features.py", f"from app.{page} import FEATURE as {name}\n")
        remove_line(project / "backend/app/features.py", f"    {name},\n")


def run(folder: Path, *command: str, **variables: str) -> None:
    environment = {**os.environ, **variables}
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=900)
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-4000:]


@pytest.fixture
def project(default_project: Path, tmp_path: Path, page: str) -> Path:
    """A project without the page."""
    project = tmp_path / "project"
    shutil.copytree(default_project, project)
    delete(project, page)
    return project


@pytest.mark.parametrize("page", PAGES)
def test_nothing_else_names_a_deleted_page(project: Path, page: str) -> None:
    for folder, patterns in {
        "backend": (rf"(from|import) app\.{page}\b", rf"from app import .*\b{page}\b"),
        "frontend": (rf"""["'](\.\./)+(src/)?{page}(/|["'])""",),
    }.items():
        for path in (project / folder).rglob("*"):
            if path.suffix in (".py", ".ts", ".tsx") and path.name != "schema.ts":
                for pattern in patterns:
                    assert not re.search(pattern, path.read_text()), f"{path} needs the page {page}: {pattern}"


@pytest.mark.parametrize("page", [page for page in PAGES if page != "examples"])
def test_the_backend_runs_without_a_page(project: Path, page: str) -> None:
    backend = project / "backend"
    tests = [str(path) for pattern in ROUTES for path in sorted((backend / "tests").glob(pattern))]
    run(backend, sys.executable, "-c", PYTEST, *tests, PYTHONPATH=str(project / "libs/streamator/src"))


@pytest.mark.parametrize("page", PAGES)
def test_the_frontend_runs_without_a_page(project: Path, page: str) -> None:
    install_packages(project)
    (project / "node_modules" / "frontend").symlink_to(project / "frontend")
    binaries = REPOSITORY / TEMPLATE / "node_modules" / ".bin"
    run(project / "libs/streamator-react", "npm", "run", "--silent", "build")
    run(project / "frontend", str(binaries / "tsc"), "-b")
    run(project / "frontend", str(binaries / "vitest"), "run")
