"""Each page of the app can be deleted: its folders, its lines, its tests; all else goes on."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import pytest
from bake import REPOSITORY, TEMPLATE, bake
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

# Each page is kept at least once where another is deleted: of any two, a group has the first and not the second.
IN_GROUPS = dict(zip(PAGES, combinations(range(4), 2), strict=True))
GROUPS = [" ".join(page for page in PAGES if group in IN_GROUPS[page]) for group in range(4)]

# The packages of this repository are installed in a way that would still find a deleted folder.
ALONE = """
import sys
sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in getattr(finder, "__module__", "")]
"""
PYTEST = (
    ALONE
    + """
import pytest
sys.exit(pytest.main(["-q", "-x", "-p", "no:cacheprovider", *sys.argv[1:]]))
"""
)
# Of the backend's tests those that are about the whole, and the routes of each page: the inside of a page is its own.
WHOLE = ("test_main.py", "test_streams.py")
ROUTES = ("test_security.py", "auth/test_sign_in.py", "*/test_router.py", "*/test_stats.py")


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
        remove_line(project / "backend/app/features.py", f"from app.{page}.feature import FEATURE as {name}\n")
        remove_line(project / "backend/app/features.py", f"    {name},\n")


def run(folder: Path, *command: str, **variables: str) -> None:
    environment = {**os.environ, **variables}
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=900)
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-4000:]


@pytest.fixture
def project(template: Path, tmp_path: Path, pages: str) -> Path:
    """A project without these pages: on Redis, where nothing answers as long as nobody has started it, and where people
    sign in, if they still can."""
    project = bake(template, tmp_path, store="redis", auth="none" if "auth" in pages else "jwt")
    for page in pages.split():
        delete(project, page)
    return project


@pytest.mark.parametrize("pages", PAGES)
def test_nothing_else_names_a_deleted_page(project: Path, pages: str) -> None:
    for folder, patterns in {
        "backend": (rf"(from|import) app\.{pages}\b", rf"from app import .*\b{pages}\b"),
        "frontend": (rf"""["'](\.\./)+(src/)?{pages}(/|["'])""",),
    }.items():
        for path in (project / folder).rglob("*"):
            if path.suffix in (".py", ".ts", ".tsx") and path.name != "schema.ts":
                for pattern in patterns:
                    assert not re.search(pattern, path.read_text()), f"{path} needs the page {pages}: {pattern}"


@pytest.mark.parametrize("pages", GROUPS)
@pytest.mark.parametrize("which", [WHOLE, pytest.param(ROUTES, marks=pytest.mark.long)], ids=["whole", "routes"])
def test_the_backend_runs_without_pages(project: Path, pages: str, which: tuple[str, ...]) -> None:
    backend = project / "backend"
    tests = [str(path) for pattern in which for path in sorted((backend / "tests").glob(pattern))]
    run(backend, sys.executable, "-c", PYTEST, *tests, PYTHONPATH=str(project / "libs/streamator/src"))


@pytest.mark.parametrize("pages", GROUPS)
@pytest.mark.parametrize("tool", ["tsc", pytest.param("vitest", marks=pytest.mark.long)])
def test_the_frontend_runs_without_pages(project: Path, pages: str, tool: str) -> None:
    install_packages(project)
    (project / "node_modules" / "frontend").symlink_to(project / "frontend")
    binaries = REPOSITORY / TEMPLATE / "node_modules" / ".bin"
    run(project / "libs/streamator-react", "npm", "run", "--silent", "build")
    if tool == "tsc":
        run(project / "frontend", str(binaries / "tsc"), "-b")
        return
    # tsc, which sees the tests too, names whoever imports what is gone; those of the whole import nothing of a page.
    whole = [str(path.relative_to(project / "frontend")) for path in (project / "frontend/tests").glob("*.test.*")]
    run(project / "frontend", str(binaries / "vitest"), "run", *whole)


def test_a_project_with_sign_in_goes_on_without_it(template: Path, tmp_path: Path) -> None:
    project = bake(template, tmp_path, auth="jwt")
    delete(project, "auth")
    backend, path = project / "backend", str(project / "libs/streamator/src")
    run(backend, sys.executable, "-c", ALONE + "import app.openapi; app.openapi.schema()", PYTHONPATH=path)
    start = [sys.executable, "-c", ALONE + "import app.main; app.main.app"]
    refused = subprocess.run(start, cwd=backend, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True)
    assert (refused.returncode, refused.stderr) == (
        2,
        "AUTH='jwt' cannot be used: nothing here signs people in; set it to none.\n",
    )
    (project / ".env").write_text("AUTH=none\n")
    run(backend, *start, PYTHONPATH=path)


# What a dependency is imported as, where that is another name.
IMPORTED_AS = {
    "argon2-cffi": "argon2", "PyJWT": "jwt",
    "markdown-it-py": "markdown_it", "PyYAML": "yaml", "pydantic-settings": "pydantic_settings",
    "prometheus-client": "prometheus_client", "python-dateutil": "dateutil", "SQLAlchemy": "sqlalchemy",
}  # fmt: skip
# What nobody imports, and who wants it: by pyproject.toml, or FastAPI for a form with a file.
WANTED_BY = {"numpy": {"agents"}, "lxml_html_clean": {"ingest"}, "python-multipart": {"ingest"}}


def users(app: Path, pattern: str) -> set[str]:
    """The pages, and the files beside them, that hold something."""
    found = [path for path in app.rglob("*.py") if re.search(pattern, path.read_text(), re.MULTILINE)]
    return {path.relative_to(app).parts[0] for path in found}


def test_what_each_page_alone_needs_is_listed(default_project: Path) -> None:
    app = default_project / "backend/app"
    rows = re.findall(
        r"^\| (`\w+`(?:, `\w+`)*) \| (.*?) ?\| (.*?) ?\| (.*?) ?\|$", (default_project / "README.md").read_text(), re.M
    )
    listed = {
        frozenset(re.findall(r"`(\w+)`", pages)): (
            set(re.findall(r"`(.+?)`", needs)),
            set(re.findall(r"`(\w+)`", names)),
            section,
        )
        for pages, needs, names, section in rows
        if set(re.findall(r"`(\w+)`", pages)) <= set(PAGES)
    }
    assert {page for pages in listed for page in pages} == set(PAGES)

    project = (app.parent / "pyproject.toml").read_text()
    everything = re.findall(r'^  "([\w-]+)[^"]*",', project.split("[project.optional-dependencies]")[0], re.MULTILINE)
    for name in [*everything, "anthropic", "openai"]:
        module = IMPORTED_AS.get(name, name)
        by = WANTED_BY.get(name) or users(app, rf"^\s*(from|import) {module}\b")
        assert by, f"nobody imports {name}"
        listing = [pages for pages, (needs, _, _) in listed.items() if name in needs]
        assert listing == ([frozenset(by)] if by <= set(PAGES) else []), name

    fields = re.findall(r"^    (\w+): .*=", (app / "settings.py").read_text(), re.MULTILINE)
    for name in fields:
        in_bytes = re.sub("_mb(?=_|$)", "_bytes", name)
        by = users(app, rf"\b{name}\b|\b{in_bytes}\b") - {"settings.py"}
        listing = [pages for pages, (_, names, _) in listed.items() if name.upper() in names]
        assert listing == ([frozenset(by)] if by and by <= set(PAGES) else []), name

    titles = re.findall(r"^#+ (.+)$", (default_project / "README.md").read_text(), re.MULTILINE)
    assert [section for _, _, section in listed.values() if section and section not in titles] == []
