"""The built packages are whole: a wheel holds what the source folder holds, and the app runs from it."""

from __future__ import annotations

import email
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from urllib.parse import unquote

import pytest
from bake import REPOSITORY, TEMPLATE

FOLDERS = {"app": "backend", "streamator": "libs/streamator"}
SOURCES = {"app": "backend/app", "streamator": "libs/streamator/src/streamator"}


@pytest.fixture(scope="module")
def project(default_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The two Python packages of a baked project, each with a file of a kind that nobody has thought of yet."""
    folder = tmp_path_factory.mktemp("packages") / "project"
    for name in FOLDERS.values():
        shutil.copytree(default_project / name, folder / name)
    for source in SOURCES.values():
        (folder / source / "deep" / "er").mkdir(parents=True)
        (folder / source / "deep" / "er" / "words.xyz").write_text("words")
        (folder / source / "__pycache__").mkdir()
        (folder / source / "__pycache__" / "old.cpython-310.pyc").write_bytes(b"")
    return folder


def build(folder: Path, kind: str, target: Path) -> Path:
    """Builds the `wheel` or the `sdist` of the package in `folder`, and gives its file. Nothing is downloaded."""
    code = f"import sys; from setuptools import build_meta; print(build_meta.build_{kind}(sys.argv[1]))"
    result = subprocess.run(
        [sys.executable, "-c", code, str(target)], cwd=folder, capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return target / result.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def wheels(project: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The wheels of both packages, by the name of the package."""
    target = tmp_path_factory.mktemp("wheels")
    return {name: build(project / folder, "wheel", target) for name, folder in FOLDERS.items()}


@pytest.mark.parametrize("name", FOLDERS)
def test_a_wheel_holds_every_file_of_its_package(project: Path, wheels: dict[str, Path], name: str) -> None:
    source = project / SOURCES[name]
    files = [path for path in source.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert {path.suffix for path in files} >= {".py", ".xyz"}
    with zipfile.ZipFile(wheels[name]) as wheel:
        held = {each for each in wheel.namelist() if ".dist-info/" not in each}
    assert held == {str(path.relative_to(source.parent)) for path in files}


@pytest.fixture(scope="module")
def sdist(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist of the library."""
    return build(project / "libs" / "streamator", "sdist", tmp_path_factory.mktemp("sdist"))


def test_the_sdist_of_the_library_holds_what_its_readme_leads_to(project: Path, sdist: Path) -> None:
    readme = (project / "libs" / "streamator" / "README.md").read_text(encoding="utf-8")
    links = set(re.findall(r"\]\(https://[^)]+/libs/streamator/([^)#]+)", readme))
    assert links
    with tarfile.open(sdist) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    assert links - held == set()


def test_the_wheel_and_the_sdist_of_the_library_hold_its_license(
    project: Path, wheels: dict[str, Path], sdist: Path
) -> None:
    text = (project / "libs" / "streamator" / "LICENSE").read_bytes()
    with zipfile.ZipFile(wheels["streamator"]) as wheel:
        (name,) = [each for each in wheel.namelist() if each.endswith("/LICENSE")]
        assert wheel.read(name) == text
    with tarfile.open(sdist) as archive:
        (name,) = [each for each in archive.getnames() if each.endswith("/LICENSE")]
        file = archive.extractfile(name)
        assert file is not None and file.read() == text


# What needs more than the modules: the prompts, and the process that reads a document.
USE = """
import app, streamator
from fastapi.testclient import TestClient
from app.main import create_app
from app.settings import load_settings

print(app.__file__)
print(streamator.__file__)
with TestClient(create_app(load_settings()), base_url="http://localhost") as client:
    print([prompt["name"] for prompt in client.get("/api/run/options").raise_for_status().json()["prompts"]])
    file = {"file": ("note.md", "# A note from the wheel\\n\\nIt has a text.")}
    print(client.post("/api/ingest/stream", files=file).raise_for_status().text)
"""


def test_the_app_runs_from_its_wheel(project: Path, wheels: dict[str, Path], tmp_path: Path) -> None:
    site, empty = tmp_path / "site", tmp_path / "empty"
    empty.mkdir()
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--disable-pip-version-check"]
    subprocess.run([*pip, "--target", str(site), *wheels.values()], check=True, timeout=120)
    result = subprocess.run(
        [sys.executable, "-c", USE],
        cwd=empty,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(site), "STREAMATOR_STORE": "memory"},
    )
    assert result.returncode == 0, result.stderr
    app, streamator, prompts, *stream = result.stdout.splitlines()
    assert Path(app).is_relative_to(site)
    assert Path(streamator).is_relative_to(site)
    names = {path.stem for path in (project / "backend" / "app" / "generation" / "prompts").glob("*.md")}
    assert prompts == str(sorted(names))
    assert "A note from the wheel" in "\n".join(stream)
    assert (empty / "data" / "app.db").is_file()


LIBRARIES = {"streamator": "libs/streamator", "streamator-react": "libs/streamator-react"}


@pytest.mark.parametrize("folder", LIBRARIES.values())
def test_a_librarys_readme_links_to_nothing_that_its_package_does_not_show(folder: str) -> None:
    # On PyPI and npm there is no folder that a relative link could start from.
    readme = (REPOSITORY / TEMPLATE / folder / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)\s]+)", re.sub(r"^```.*?^```$", "", readme, flags=re.MULTILINE | re.DOTALL))
    assert links
    assert [link for link in links if not link.startswith(("#", "https://"))] == []
    for link in links:
        _, found, path = link.partition("/blob/main/")
        if found:
            assert (REPOSITORY / unquote(path)).is_file(), link


def test_the_wheel_says_whose_it_is_and_where_it_comes_from(wheels: dict[str, Path]) -> None:
    with zipfile.ZipFile(wheels["streamator"]) as wheel:
        (name,) = [each for each in wheel.namelist() if each.endswith(".dist-info/METADATA")]
        metadata = email.message_from_bytes(wheel.read(name))
    assert metadata["Author"]
    assert metadata["Keywords"]
    assert {f"Programming Language :: Python :: 3.{minor}" for minor in (10, 13)} <= set(
        metadata.get_all("Classifier", [])
    )
    urls = dict(line.split(", ") for line in metadata.get_all("Project-URL", []))
    assert urls.keys() == {"Repository", "Issues", "Changelog"}
    assert all(url.startswith("https://") for url in urls.values())


def test_the_npm_package_says_whose_it_is_and_where_it_comes_from() -> None:
    manifest = json.loads((REPOSITORY / TEMPLATE / "libs/streamator-react/package.json").read_text(encoding="utf-8"))
    assert manifest["author"]
    assert manifest["keywords"]
    assert manifest["repository"]["url"].startswith("git+https://")
    assert manifest["homepage"].startswith("https://")


def test_what_the_project_holds_itself_is_asked_of_no_registry() -> None:
    root = REPOSITORY / TEMPLATE
    folders = json.loads((root / "package.json").read_text(encoding="utf-8"))["workspaces"]
    manifests = {name: json.loads((root / name / "package.json").read_text(encoding="utf-8")) for name in folders}
    places = {manifest["name"]: name for name, manifest in manifests.items()}
    asked = {
        (folder, name, version)
        for folder, manifest in manifests.items()
        for kind in ("dependencies", "devDependencies")
        for name, version in manifest.get(kind, {}).items()
        if name in places
    }
    assert asked
    for folder, name, version in asked:
        assert version.startswith("file:"), f"{folder} asks for {name} {version}: anybody can publish that"
        assert (root / folder / version.removeprefix("file:")).resolve() == root / places[name]

    # pip knows no such address: there the exact version is what only the library beside it has.
    library = re.findall(r'^version = "(.+)"$', (root / "libs/streamator/pyproject.toml").read_text(), re.MULTILINE)
    asked_of_python = re.findall(r'"streamator\[.+\](.*)"', (root / "backend/pyproject.toml").read_text())
    assert asked_of_python == [f"=={version}" for version in library]
