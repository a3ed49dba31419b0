"""The module that holds the answers takes each of them as data, and can be imported before it is rendered."""

from __future__ import annotations

import runpy
from types import SimpleNamespace
from typing import Any

import jinja2
import pytest
from bake import REPOSITORY, TEMPLATE

SOURCE = REPOSITORY / TEMPLATE / "backend" / "app" / "project.py"

ANSWERS = {
    "project_name": "My Project",
    "project_slug": "my-project",
    "description": "Does things.",
    "store": "dynamo",
    "dynamodb_table": "my-logs",
    "workers": "redis",
    "auth": "jwt",
    "backend_port": "8123",
    "frontend_port": "5234",
    "_template_version": "1.2.3",
}


def rendered(**answers: str) -> dict[str, Any]:
    """The names in the module, rendered as the template renders it."""
    opening, closing = "<" * 2, ">" * 2
    environment = jinja2.Environment(
        variable_start_string=opening,
        variable_end_string=closing,
        block_start_string="<" + "%",
        block_end_string="%" + ">",
        comment_start_string="<" + "#",
        comment_end_string="#" + ">",
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    source = environment.from_string(SOURCE.read_text(encoding="utf-8")).render(
        cookiecutter=SimpleNamespace(**{**ANSWERS, **answers})
    )
    names: dict[str, Any] = {"__name__": "rendered"}
    exec(compile(source, "project.py", "exec"), names)
    return names


def test_the_unrendered_module_falls_back_to_usable_defaults() -> None:
    names = runpy.run_path(str(SOURCE))
    assert names["PROJECT_NAME"] == "Streamator App"
    assert names["DEFAULT_STORE"] == "memory"
    assert names["DEFAULT_AUTH"] == "none"
    assert (names["BACKEND_PORT"], names["FRONTEND_PORT"]) == (8000, 5173)


def test_answers_become_values() -> None:
    names = rendered()
    assert names["PROJECT_NAME"] == "My Project"
    assert names["PROJECT_SLUG"] == "my-project"
    assert names["DEFAULT_STORE"] == "dynamo"
    assert names["DEFAULT_TABLE"] == "my-logs"
    assert names["DEFAULT_AUTH"] == "jwt"
    assert (names["BACKEND_PORT"], names["FRONTEND_PORT"]) == (8123, 5234)
    assert names["TEMPLATE_VERSION"] == "1.2.3"


@pytest.mark.parametrize(
    "hostile",
    [
        'say "hi"',
        "it's",
        '"""',
        "'''",
        "ends in a backslash \\",
        "\\",
        '\\"""\\',
        "two\nlines",
        "return\r\n",
        '"""); import os; os.abort(); r("""',
        "{{ 7 * 7 }} ${HOME} %s",
        "a < b & c > d",
        "<script>alert(1)</script>",
        "<" * 2 + " cookiecutter.store " + ">" * 2,
        "Grüße 你好 🎉",
        "\u2028\x00",
        "",
    ],
)
def test_an_answer_of_any_content_arrives_as_it_is(hostile: str) -> None:
    names = rendered(project_name=hostile, description=hostile)
    assert names["PROJECT_NAME"] == hostile
    assert names["DESCRIPTION"] == hostile
