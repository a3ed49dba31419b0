"""Every answer gives a whole project, or is refused in one line with the value and the fix."""

from __future__ import annotations

import ast
import html.parser
import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from bake import REPOSITORY, TEMPLATE, bake
from conftest import run_cli

STORES = ["memory", "dynamo", "redis"]
AUTHS = ["none", "jwt"]
LICENSES = {
    "MIT": "MIT License",
    "Apache-2.0": "Apache License",
    "BSD-3-Clause": "BSD 3-Clause License",
    "Proprietary": "All rights reserved",
}

# What people, and attackers, write where text is allowed: all of it has to come out exactly as it went in.
HOSTILE_TEXT = [
    "it's \u201cquoted\u201d",
    "{{ cookiecutter.license }} {% raw %} {# c #}",
    "${HOME} $(touch pwned) `touch pwned` $$ %s",
    "''' + __import__('os').system('touch pwned') + '''",
    "# comment; rm -rf * | cat & true",
    "*bold* [link](x) | table |",
    "\U0001f680 Ra\u0301ke\u0142e \u65e5\u672c\u8a9e",
    "null",
    "-n --help",
    "%{x}~^",
]
# Allowed in a description and an author, though not in a name.
HOSTILE_PROSE = [
    *HOSTILE_TEXT,
    'He said "no" \\ and \\n',
    "</title><script>alert(1)</script>",
    'a""" b',
    "Jane <jane@example.org>",
]


def load_answers(project: Path) -> ModuleType:
    """Imports the one settings module that the answers are rendered into."""
    spec = importlib.util.spec_from_file_location("rendered_project", project / "backend" / "app" / "project.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class TitleParser(html.parser.HTMLParser):
    """Collects the tags of a page and the text of its title, as a browser would understand them."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.title = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1] == "title" and not self.title:
            self.title = data


def page_of(project: Path) -> TitleParser:
    """Parses the rendered page."""
    parser = TitleParser()
    parser.feed((project / "frontend" / "index.html").read_text(encoding="utf-8"))
    return parser


def assert_whole(project: Path) -> None:
    """Asserts that all files parse that the answers, or a slip of the template, could have broken."""
    for path in project.rglob("*.py"):
        as_it_stands = REPOSITORY / TEMPLATE / path.relative_to(project)
        if path.read_bytes() != as_it_stands.read_bytes():  # else all that runs it has parsed it
            ast.parse(path.read_text(encoding="utf-8"), str(path))
    for path in (
        project / "package.json",
        project / "package-lock.json",
        project / "frontend" / "package.json",
    ):
        json.loads(path.read_text(encoding="utf-8"))
    listing = subprocess.run(["make", "help"], cwd=project, capture_output=True, text=True, timeout=30)
    assert listing.returncode == 0, listing.stderr
    assert f"{project.name}: make <command>" in listing.stdout
    assert not list(project.parent.rglob("pwned")), "an answer was run as a command"


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("license", LICENSES)
@pytest.mark.parametrize("auth", AUTHS)
def test_every_choice_gives_a_whole_project(
    template: Path, tmp_path: Path, store: str, license: str, auth: str
) -> None:
    project = bake(template, tmp_path, store=store, license=license, auth=auth, author="Ada Lovelace")
    assert_whole(project)
    assert load_answers(project).DEFAULT_STORE == store
    assert load_answers(project).DEFAULT_AUTH == auth
    assert f"# AUTH={auth}\n" in (project / ".env.example").read_text(encoding="utf-8")
    text = (project / "LICENSE").read_text(encoding="utf-8")
    assert LICENSES[license] in text
    assert "Ada Lovelace" in text
    others = [phrase for name, phrase in LICENSES.items() if name != license]
    assert not any(phrase in text for phrase in others)


@pytest.mark.parametrize("store", ["dynamo", "redis"])
def test_jobs_may_run_in_workers_by_default(template: Path, tmp_path: Path, store: str) -> None:
    project = bake(template, tmp_path, store=store, workers="redis")
    assert_whole(project)
    assert load_answers(project).DEFAULT_WORKERS == "redis"
    assert "# WORKERS=redis\n" in (project / ".env.example").read_text(encoding="utf-8")


@pytest.mark.parametrize("license", LICENSES)
def test_under_every_license_the_libraries_keep_their_own(template: Path, tmp_path: Path, license: str) -> None:
    project = bake(template, tmp_path, license=license, author="Ada Lovelace")
    for library in ("libs/streamator", "libs/streamator-react"):
        own = (project / library / "LICENSE").read_text(encoding="utf-8")
        assert own.startswith("MIT License\n\nCopyright (c) ")
        assert "Streamator contributors" in own
        assert "Ada Lovelace" not in own
        assert library in (project / "LICENSE").read_text(encoding="utf-8")
    (said,) = [line for line in (project / "LICENSE").read_text(encoding="utf-8").splitlines() if "libs/" in line]
    assert "Streamator contributors" in said
    assert "LICENSE of its own" in said
    readme = (project / "README.md").read_text(encoding="utf-8")
    assert f"License: {license}, see LICENSE." in readme
    assert "libraries in `libs/` stay under the MIT License" in readme


def test_the_defaults_reach_the_project(default_project: Path) -> None:
    answers = load_answers(default_project)
    assert default_project.name == "streamator-app"
    assert answers.PROJECT_NAME == "Streamator App"
    assert answers.PROJECT_SLUG == "streamator-app"
    assert answers.DEFAULT_STORE == "memory"
    assert answers.DEFAULT_TABLE == "streamator-app-logs"
    assert answers.DEFAULT_AUTH == "none"
    assert (answers.BACKEND_PORT, answers.FRONTEND_PORT) == (8000, 5173)
    assert page_of(default_project).title == "Streamator App"
    assert_whole(default_project)


def test_ports_and_table_reach_all_files_that_name_them(template: Path, tmp_path: Path) -> None:
    project = bake(template, tmp_path, backend_port="1024", frontend_port="65535", dynamodb_table="a_B.c-9")
    answers = load_answers(project)
    assert (answers.BACKEND_PORT, answers.FRONTEND_PORT, answers.DEFAULT_TABLE) == (1024, 65535, "a_B.c-9")
    example = (project / ".env.example").read_text(encoding="utf-8")
    assert "BACKEND_PORT=1024" in example
    assert "FRONTEND_PORT=65535" in example
    assert "STREAMATOR_TABLE=a_B.c-9" in example


def test_the_version_of_the_template_is_stamped(default_project: Path) -> None:
    version = json.loads((REPOSITORY / "cookiecutter.json").read_text(encoding="utf-8"))["_template_version"]
    assert load_answers(default_project).TEMPLATE_VERSION == version
    assert version in (default_project / "README.md").read_text(encoding="utf-8")
    assert version in (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("My App", "my-app"),
        ("Umlaut \u00dcber & Co.", "umlaut-uber-co"),
        ("3D Prints", "app-3d-prints"),
        ("Test", "test-app"),
        ("Streamator", "streamator-app"),
        ("x", "x-app"),
        ("\U0001f680", "my-app"),
        ("--- A__B ---", "a-b"),
        ("n" * 60, "n" * 35),
    ],
)
def test_the_slug_made_from_a_name_is_always_a_good_one(template: Path, tmp_path: Path, name: str, slug: str) -> None:
    project = bake(template, tmp_path, project_name=name)
    assert project.name == slug
    assert load_answers(project).DEFAULT_TABLE == f"{slug}-logs"


@pytest.mark.parametrize("text", HOSTILE_TEXT)
def test_a_hostile_name_comes_out_exactly(template: Path, tmp_path: Path, text: str) -> None:
    project = bake(template, tmp_path, project_name=text, project_slug="fixed")
    assert load_answers(project).PROJECT_NAME == text
    assert page_of(project).title == text
    assert page_of(project).tags == page_of(REPOSITORY / "<<cookiecutter.project_slug>>").tags
    assert_whole(project)


@pytest.mark.parametrize("text", HOSTILE_PROSE)
def test_a_hostile_description_and_author_come_out_exactly(template: Path, tmp_path: Path, text: str) -> None:
    project = bake(template, tmp_path, description=text, author=text)
    assert load_answers(project).DESCRIPTION == text
    assert text in (project / "LICENSE").read_text(encoding="utf-8")
    assert "<script" not in (project / "README.md").read_text(encoding="utf-8")
    assert_whole(project)


# The longest that are allowed, in alphabets that JSON writes in six characters a letter, or in twelve.
LONGEST = [
    {
        "project_name": "\u0426\u0435\u0445 " * 15,
        "description": "\u041f\u043e\u043a\u0430\u0437 " * 33,
        "author": "\u05de\u05e4\u05e2\u05dc " * 20,
    },
    {"project_name": "\U0001f680" * 60, "description": "\U0001f680" * 200, "author": "\U0001f680" * 100, "auth": "jwt"},
    {"description": "'" * 100 + '"' * 100, "author": "\\" * 100, "project_slug": "a" * 39, "dynamodb_table": "t" * 255},
]
# The tests of a backend that see the answers.
SEEING = ["test_project.py", "test_settings.py"]


def run_tool(folder: Path, *command: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(folder.parent / "libs" / "streamator" / "src")}
    result = subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, capture_output=True, text=True, env=environment, timeout=300
    )
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("answers", LONGEST, ids=range(len(LONGEST)))
def test_a_project_of_hostile_answers_passes_its_own_checks(
    template: Path, tmp_path: Path, answers: dict[str, str]
) -> None:
    project = bake(template, tmp_path, **{"project_slug": "fixed", **answers})
    assert_whole(project)
    (project / ".git").mkdir()  # as in a repository: ruff obeys its .gitignore
    # All else is the same in every project, and checked where it stands.
    run_tool(project, "ruff", "check", ".")
    run_tool(project, "ruff", "format", "--check", ".")
    run_tool(project / "backend", "mypy", "--strict", "--config-file=", "app/project.py")
    run_tool(project / "backend", "pytest", "-p", "no:cacheprovider", *(f"tests/{name}" for name in SEEING))


REFUSED = [
    ("project_name", 'say "hi"'),
    ("project_name", "back\\slash"),
    ("project_name", "a<b"),
    ("project_name", "a>b"),
    ("project_name", "two\nlines"),
    ("project_name", "bell\x07"),
    ("project_name", "line\u2028separator"),
    ("project_name", "   "),
    ("project_name", "n" * 61),
    ("project_slug", "Upper"),
    ("project_slug", "9lives"),
    ("project_slug", "a"),
    ("project_slug", "a" * 40),
    ("project_slug", "under_score"),
    ("project_slug", "with space"),
    ("project_slug", "-dash"),
    ("project_slug", "slug\n"),
    ("project_slug", "t\u00e4st"),
    ("project_slug", "a/b/c"),
    ("project_slug", "../outside"),
    ("project_slug", "../sub/outside"),
    ("project_slug", "$(touch pwned)"),
    ("project_slug", "app"),
    ("project_slug", "streamator"),
    ("project_slug", "con"),
    ("description", "two\nlines"),
    ("description", "d" * 201),
    ("author", ""),
    ("author", "two\nlines"),
    ("author", "a" * 101),
    ("workers", "redis"),  # with the store memory
    ("dynamodb_table", "ab"),
    ("dynamodb_table", "t" * 256),
    ("dynamodb_table", "a b c"),
    ("dynamodb_table", "table\n"),
    ("dynamodb_table", "t\u00e4ble"),
    ("backend_port", "80"),
    ("backend_port", "65536"),
    ("backend_port", "08000"),
    ("backend_port", "8000.0"),
    ("backend_port", "-8000"),
    ("backend_port", " 8000"),
    ("backend_port", "\u0668\u0660\u0660\u0660"),
    ("backend_port", "http"),
    ("backend_port", ""),
    ("frontend_port", "1023"),
    ("frontend_port", "8000"),
]


@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_a_bad_answer_is_refused_in_one_line_and_leaves_nothing(
    template: Path, tmp_path: Path, name: str, value: str
) -> None:
    output = tmp_path / "work" / "output"
    output.mkdir(parents=True)
    result = run_cli(template, output, **{name: value})
    assert result.returncode == 1
    lines = result.stdout.splitlines()
    assert len(lines) == 1, result.stdout
    assert result.stderr == ""
    assert lines[0].startswith(f"{name} ")
    shown = value if value.isprintable() else ascii(value)[1:-1]
    assert shown[:50] in lines[0], "the line says the value"
    assert any(fix in lines[0] for fix in ("use ", "leave out ", "give it ")), "the line says the fix"
    assert [path for path in tmp_path.rglob("*") if path not in (output, output.parent)] == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("store", "sqlite"), ("license", "WTFPL"), ("store", "MEMORY"), ("auth", "oauth"), ("workers", "celery")],
)
def test_a_choice_that_is_not_offered_is_refused_and_leaves_nothing(
    template: Path, tmp_path: Path, name: str, value: str
) -> None:
    result = run_cli(template, tmp_path, **{name: value})
    assert result.returncode != 0
    # It is cookiecutter that refuses, before anything of a template runs: its last line is like one of ours.
    choices = json.loads((REPOSITORY / "cookiecutter.json").read_text(encoding="utf-8"))[name]
    last = result.stderr.splitlines()[-1]
    assert last == f"ValueError: {value} provided for choice variable {name}, but the choices are {choices}."
    assert list(tmp_path.iterdir()) == []


def test_an_answer_that_is_typed_is_refused_in_one_line(template: Path, tmp_path: Path) -> None:
    answers = ["", "", "", "", "3", "", "", "", "80", "", ""]
    result = subprocess.run(
        [sys.executable, "-m", "cookiecutter", str(template), "-o", str(tmp_path)],
        input="\n".join(answers) + "\n", capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert result.returncode == 1
    assert result.stderr == ""
    refusal = "backend_port '80' is not a port that a user may open; use a number from 1024 to 65535."
    assert result.stdout.splitlines()[-1].endswith(refusal)
    assert "Traceback" not in result.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_terminal_that_cannot_show_an_answer_gets_a_line_all_the_same(
    template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    result = run_cli(template, tmp_path, project_slug="t\u00e4st")
    assert result.stderr == ""
    assert result.stdout.startswith(r"project_slug 't\xe4st' is not a usable folder name; ")


def test_the_readme_shows_what_a_bad_answer_prints(template: Path, tmp_path: Path) -> None:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    command, output = re.findall(r"\$ cookiecutter gh:org/streamator (--no-input .+)\n(.+)\n", readme)[0]
    result = run_cli(template, tmp_path, **dict(answer.split("=") for answer in command.split()[1:]))
    assert result.stdout == f"{output}\n"


def test_two_bad_answers_are_both_named(template: Path, tmp_path: Path) -> None:
    result = run_cli(template, tmp_path, backend_port="1", dynamodb_table="?")
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["dynamodb_table", "backend_port"]


@pytest.mark.parametrize("value", ["<< 7 * 6 >>", "<% if %>", "<# open", "<< undefined.thing >>"])
def test_template_code_in_an_answer_never_reaches_a_project(template: Path, tmp_path: Path, value: str) -> None:
    # cookiecutter itself renders what it is given on the command line, before any hook: either that fails and
    # leaves nothing, or what came of it is an answer like any other.
    result = run_cli(template, tmp_path, project_name=value, project_slug="fixed")
    if result.returncode:
        assert list(tmp_path.iterdir()) == []
    else:
        assert load_answers(tmp_path / "fixed").PROJECT_NAME == "42"
        assert_whole(tmp_path / "fixed")


def test_an_existing_folder_is_not_touched(template: Path, tmp_path: Path) -> None:
    (tmp_path / "streamator-app").mkdir()
    (tmp_path / "streamator-app" / "mine.txt").write_text("mine")
    result = run_cli(template, tmp_path)
    assert result.returncode == 1
    assert "already exists" in result.stdout
    assert [path.name for path in (tmp_path / "streamator-app").iterdir()] == ["mine.txt"]
