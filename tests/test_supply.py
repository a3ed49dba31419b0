"""What is installed is what was looked at: each version with its hash, and nothing by a name that anybody may take."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from bake import REPOSITORY, TEMPLATE, template_files

PINS = [
    *(
        f"{TEMPLATE}/{name}.txt"
        for name in ("backend/constraints", "backend/requirements", "scripts/audit", "scripts/update")
    ),
    *sorted(name for name in template_files() if re.fullmatch(r"tests/(.+/)?(requirements|streamator)\.txt", name)),
]
OURS = ("streamator", "app", "streamator-react", "frontend", "e2e")


def requirements(name: str) -> list[str]:
    """The requirements of a file of pins, each on a line of its own."""
    text = (REPOSITORY / name).read_text(encoding="utf-8").replace("\\\n", "")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


@pytest.mark.parametrize("name", PINS)
def test_every_requirement_is_a_version_with_its_hashes_and_no_address(name: str) -> None:
    found = requirements(name)
    assert found
    for line in found:
        assert re.fullmatch(
            r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+ *(; [a-z_]+ [^@/]+?)?( +--hash=sha256:[0-9a-f]{64})+ *", line
        ), line[:100]


def test_of_our_own_packages_none_is_pinned_as_one_of_an_index() -> None:
    for name in PINS:
        for line in requirements(name):
            mine = re.split("==", line)[0].lower() in OURS
            assert mine == (name == "tests/benchmarks/streamator.txt"), f"{name}: {line[:60]}"


def test_the_image_has_of_what_is_pinned_what_runs_the_app_and_no_tool() -> None:
    pinned = requirements(f"{TEMPLATE}/backend/constraints.txt")
    image = requirements(f"{TEMPLATE}/backend/requirements.txt")
    assert set(image) <= set(pinned)
    names = {line.split("==")[0] for line in image}
    assert {"fastapi", "uvicorn", "redis", "dynamorator", "anthropic", "openai"} <= names
    assert not names & {"pytest", "mypy", "ruff", "moto", "hypothesis", "schemathesis", "uv", "pip"}


@pytest.mark.parametrize("name", ["backend", "libs/streamator"])
def test_what_builds_a_package_is_pinned_as_it_is_installed(name: str) -> None:
    text = (REPOSITORY / TEMPLATE / name / "pyproject.toml").read_text(encoding="utf-8")
    pinned = {line.split(" ")[0] for line in requirements(f"{TEMPLATE}/backend/constraints.txt")}
    (requires,) = re.findall(r"^requires = \[(.*)\]$", text, re.MULTILINE)
    assert set(json.loads(f"[{requires}]")) <= pinned


def commands() -> list[str]:
    """Each command that installs Python packages, in the Makefiles, workflows and scripts, its variables put in."""
    names = [
        name
        for name in template_files()
        if re.search(r"(^|/)(Makefile|Dockerfile|\.ci/run)$|\.github/workflows/.*\.yml$|devcontainer\.json$", name)
    ]
    found = []
    for name in names:
        text = (REPOSITORY / name).read_text(encoding="utf-8").replace("\\\n", " ")
        for line in text.splitlines():
            if re.search(r"\bpip install\b|call install,", line) and not line.lstrip().startswith("#"):
                parts = re.split(r"&&|\|\||;|\{", line)
                found += [part for part in parts if re.search(r"pip install|call install,", part)]
    return found


def test_nothing_is_installed_from_an_index_without_its_hash() -> None:
    found = commands()
    assert len(found) > 8
    allowed = ("--require-hashes", "--no-deps --no-index", "$(PINNED)", "$(OURS)", "$(2)", "$(UPDATE_TOOLS)")
    root = [each for each in found if "call install,-r" in each or each.endswith("install,-r $<)")]  # PINNED is in it
    assert [each for each in found if each not in root and not any(word in each for word in allowed)] == []
    for folder, names in ((REPOSITORY, ["PINNED"]), (REPOSITORY / TEMPLATE, ["PINNED", "OURS"])):
        text = (folder / "Makefile").read_text(encoding="utf-8")
        for name in names:
            (value,) = re.findall(rf"^{name} = (.*)$", text, re.MULTILINE)
            assert "--no-deps" in value
            assert "--require-hashes" in value or "--no-index" in value
    assert "UPDATE_TOOLS ?= $(PINNED) -r" in (REPOSITORY / TEMPLATE / "Makefile").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [each for each in template_files() if Path(each).name == "package.json"])
def test_an_npm_package_of_ours_is_published_by_nobody_and_taken_from_its_folder(name: str) -> None:
    manifest = json.loads((REPOSITORY / name).read_text(encoding="utf-8"))
    assert manifest["private"] is True
    for kind in ("dependencies", "devDependencies", "optionalDependencies"):
        for each, version in manifest.get(kind, {}).items():
            assert each not in OURS or version.startswith("file:"), f"{each}: {version}"


@pytest.mark.parametrize("name", [each for each in template_files() if Path(each).name == "package-lock.json"])
def test_a_lock_has_a_hash_for_all_but_our_own_folders(name: str) -> None:
    packages = json.loads((REPOSITORY / name).read_text(encoding="utf-8"))["packages"]
    for path, package in packages.items():
        ours = not path.startswith("node_modules/") or package.get("link", False)
        assert ours or package["integrity"].startswith("sha512-"), path
        assert "://" not in package.get("resolved", ""), path


def test_ci_lists_what_is_installed_and_asks_whether_it_is_vulnerable() -> None:
    text = (REPOSITORY / TEMPLATE / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    assert text.index("- run: make sbom") < text.index("path: sbom") < text.index("- run: make audit")
    assert text.index("- run: make image") < text.rindex("path: sbom")
