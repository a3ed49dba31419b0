"""What stands around the code: workflows that can run on a machine which is not ours, editors, and the release."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from bake import REPOSITORY, TEMPLATE, template_files
from release import problems, versions

LEVELS = {"template": REPOSITORY, "project": REPOSITORY / TEMPLATE}
WORKFLOWS = {
    f"{level}-{path.stem}": path
    for level, folder in LEVELS.items()
    for path in sorted((folder / ".github" / "workflows").glob("*.yml"))
}
# What starts servers. As an ordinary user nothing installs them by itself.
NEED_SERVERS = re.compile(r"\bmake (check|test|test-all|soak|model|e2e)\b")


def workflow(path: Path) -> dict[str, Any]:
    """Reads a workflow; YAML takes its key `on` for true."""
    loaded: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return loaded


def commands(job: dict[str, Any]) -> list[str]:
    """Gives what a job runs in the shell, in its order."""
    return [step["run"] for step in job["steps"] if "run" in step]


@pytest.mark.parametrize("name", WORKFLOWS)
def test_an_action_is_pinned_by_its_commit_with_the_version_beside_it(name: str) -> None:
    lines = [line.strip() for line in WORKFLOWS[name].read_text(encoding="utf-8").splitlines() if "uses:" in line]
    assert lines
    for line in lines:
        assert re.fullmatch(r"- uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


def test_an_action_has_one_version_everywhere() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in WORKFLOWS.values())
    used = set(re.findall(r"uses: ([\w/-]+)@(.+)", text))
    assert len(used) == len({action for action, _ in used})


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_may_read_and_a_job_that_may_more_says_so(name: str) -> None:
    loaded = workflow(WORKFLOWS[name])
    assert loaded["permissions"] == {"contents": "read"}
    more = {job: each["permissions"] for job, each in loaded["jobs"].items() if "permissions" in each}
    assert more == ({"release": {"contents": "write"}} if name == "template-release" else {})
    for job in loaded["jobs"].values():
        (checkout,) = [step for step in job["steps"] if step.get("uses", "").startswith("actions/checkout@")]
        assert checkout["with"]["persist-credentials"] is False
        # What an expression holds is code where it stands in a script; in the environment it is text.
        assert not [command for command in commands(job) if "${{" in command]


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_job_installs_the_servers_that_its_tests_start(name: str) -> None:
    for job in workflow(WORKFLOWS[name])["jobs"].values():
        runs = commands(job)
        for number, command in enumerate(runs):
            if NEED_SERVERS.search(command):
                (before,) = [each for each in runs[:number] if "apt-get install" in each]
                assert before.count("sudo apt-get") == 2
                assert "redis-server" in before
                assert "nginx" in before
                if command == "make test-all":
                    assert "webkit2gtk-driver xvfb" in before


@pytest.mark.parametrize("level", LEVELS)
def test_each_tier_of_tests_runs_when_it_should_on_the_oldest_and_a_new_python(level: str) -> None:
    push = workflow(WORKFLOWS[f"{level}-ci"])["jobs"]
    for tier in ("check", "test"):
        assert f"make {tier}" in commands(push[tier])
        pythons = [each["python"] for each in push[tier]["strategy"]["matrix"]["include"]]
        assert pythons == ["3.10", "3.13"]
    nightly = [command for job in workflow(WORKFLOWS[f"{level}-nightly"])["jobs"].values() for command in commands(job)]
    assert "make test-all" in nightly
    if level == "template":
        assert [command for command in nightly if command.startswith("make soak")]
        assert [command for command in nightly if command.startswith("make model")]


@pytest.mark.parametrize("level", LEVELS)
def test_the_updates_look_everywhere_that_pins_something(level: str) -> None:
    folder = LEVELS[level]
    asked = {
        each["package-ecosystem"]: {f"{folder}{path}".rstrip("/") for path in each["directories"]}
        for each in workflow(folder / ".github" / "dependabot.yml")["updates"]
    }
    inside = [REPOSITORY / name for name in template_files() if (REPOSITORY / name).is_relative_to(folder)]
    assert asked["npm"] == {str(path.parent) for path in inside if path.name == "package-lock.json"}
    pins = {str(path.parent) for path in inside if path.name in ("requirements.txt", "constraints.txt")}
    assert pins <= asked["pip"]
    assert asked["docker"] == {str(path.parent) for path in inside if path.name == "Dockerfile"}


def test_every_file_is_as_the_editors_are_told() -> None:
    """What .editorconfig has an editor do to each file that it saves changes nothing in any of them."""
    assert (REPOSITORY / ".editorconfig").read_bytes() == (REPOSITORY / TEMPLATE / ".editorconfig").read_bytes()
    wrong = []
    for name in template_files():
        data = (REPOSITORY / name).read_bytes()
        if not data or b"\0" in data or name.endswith((".pdf", ".png")):
            continue
        lines = data.decode("utf-8").split("\n")
        tabs = any(line.startswith("\t") for line in lines)
        spaces = any(line != line.rstrip() for line in lines) and not name.endswith(".md")
        if lines[-1] or spaces or tabs != name.endswith("Makefile"):
            wrong.append(name)
    assert wrong == []


def test_our_own_sources_have_the_layout_that_make_format_gives() -> None:
    ruff = [sys.executable, "-m", "ruff", "format", "--check", "hooks", "tests"]
    result = subprocess.run(ruff, cwd=REPOSITORY, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stdout
    dry = subprocess.run(["make", "--dry-run", "format"], cwd=REPOSITORY, capture_output=True, text=True, timeout=60)
    assert "ruff format hooks tests" in dry.stdout
    assert "ruff format ." in dry.stdout  # the template's own


def test_no_formatter_rewrites_what_it_did_not_lay_out() -> None:
    ignored = (REPOSITORY / TEMPLATE / ".prettierignore").read_text(encoding="utf-8").splitlines()
    assert [line for line in ignored if not line.startswith("#")] == ["*"]
    editor = json.loads((REPOSITORY / TEMPLATE / ".vscode" / "settings.json").read_text(encoding="utf-8"))
    on_save = {languages: each["editor.formatOnSave"] for languages, each in editor.items()}
    assert [languages for languages, saved in on_save.items() if saved] == [
        "[python]"
    ]  # by ruff, as `make format` does


@pytest.mark.parametrize("level", LEVELS)
def test_what_a_newcomer_looks_for_is_there(level: str) -> None:
    names = [
        "CONTRIBUTING.md",
        "AGENTS.md",
        "SECURITY.md",
        ".pre-commit-config.yaml",
        ".devcontainer/devcontainer.json",
    ]
    names += [".github/pull_request_template.md", ".github/ISSUE_TEMPLATE/bug.md", ".github/dependabot.yml"]
    assert [name for name in names if not (LEVELS[level] / name).is_file()] == []
    hooks = workflow(LEVELS[level] / ".pre-commit-config.yaml")["repos"]
    assert [each["repo"] for each in hooks] == ["local"]  # nothing is downloaded for it
    for name in ("CONTRIBUTING.md", "AGENTS.md"):
        text = (LEVELS[level] / name).read_text(encoding="utf-8")
        paths = re.findall(r"`((?:backend|frontend|libs|e2e|ops|scripts|tests|hooks|\.github)/[\w./-]*)`", text)
        assert [path for path in paths if not any((folder / path).exists() for folder in LEVELS.values())] == []


def test_all_files_have_one_version() -> None:
    assert len(set(versions(REPOSITORY).values())) == 1
    assert problems(REPOSITORY, f"v{versions(REPOSITORY)['CHANGELOG.md']}") == []


@pytest.mark.parametrize("name", versions(REPOSITORY))
def test_a_tag_that_one_file_has_not_is_no_release(tmp_path: Path, name: str) -> None:
    for each, version in versions(REPOSITORY).items():
        (tmp_path / each).parent.mkdir(parents=True, exist_ok=True)
        text = (REPOSITORY / each).read_text(encoding="utf-8")
        (tmp_path / each).write_text(text.replace(version, "9.9.9") if each != name else text, encoding="utf-8")
    (tmp_path / "tests").mkdir()
    shutil.copy(REPOSITORY / "tests" / "release.py", tmp_path / "tests")
    result = subprocess.run(
        [sys.executable, "tests/release.py", "v9.9.9"], cwd=tmp_path, capture_output=True, text=True, timeout=30
    )
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"{name} has version ")
