"""Refuses answers that would give a broken project: cookiecutter.json runs this once all questions are answered.

It is an extension of Jinja and no hook, since cookiecutter shows a traceback for a hook that refuses. Nothing has been
made by then, so nothing is left behind. No network is used.
"""

from __future__ import annotations

import re
import sys
from typing import Any

from cookiecutter.exceptions import FailedHookException
from jinja2 import Environment
from jinja2.ext import Extension

__all__ = ["AnswerCheck", "problems"]

SLUG = re.compile(r"[a-z][a-z0-9-]{1,38}")
TABLE = re.compile(r"[A-Za-z0-9_.-]{3,255}")
PORT = re.compile(r"[1-9][0-9]{3,4}")


def shown(value: str) -> str:
    """Gives the value as it can be printed on one line, shortened to about 60 characters."""
    text = ascii(value) if not value.isprintable() else f"'{value}'"
    return text if len(text) <= 64 else text[:60] + "...'"


def text_problem(value: str, longest: int, forbidden: str) -> str | None:
    """Gives what is wrong with a line of text that people read, or None."""
    if not value.strip():
        return "is empty; give it at least one letter"
    if len(value) > longest:
        return f"has {len(value)} characters; use at most {longest}"
    if not value.isprintable():
        return "holds a line break or another control character; use one line of plain text"
    found = [character for character in forbidden if character in value]
    if found:
        return f"holds {' '.join(found)} which would break the project's files; leave out {' '.join(forbidden)}"
    return None


def port_problem(value: str) -> str | None:
    """Gives what is wrong with a port, or None."""
    if not PORT.fullmatch(value) or not 1024 <= int(value) <= 65535:
        return "is not a port that a user may open; use a number from 1024 to 65535"
    return None


def problems(answers: dict[str, str], reserved: list[str]) -> list[str]:
    """Gives one sentence for each bad answer: its name, its value, the fix."""
    found: list[str] = []

    def check(name: str, problem: str | None) -> None:
        if problem:
            found.append(f"{name} {shown(answers[name])} {problem}.")

    check("project_name", text_problem(answers["project_name"], 60, '"\\<>'))

    slug = answers["project_slug"]
    if not SLUG.fullmatch(slug):
        check("project_slug", "is not a usable folder name; use 2 to 39 of a-z, 0-9 and -, a letter first")
    elif slug in reserved:
        # Windows devices, the packages inside the project (a folder of that name hides them from a Python
        # that is started beside it), and names that ignore files and tools take for their own.
        check("project_slug", f"is reserved for other things; use another name, such as '{slug}-app'")

    if answers["description"]:
        check("description", text_problem(answers["description"], 200, ""))
    check("author", text_problem(answers["author"], 100, ""))

    table = answers["dynamodb_table"]
    if not TABLE.fullmatch(table) and table != f"{slug}-logs":  # the default is as good as the slug is
        check("dynamodb_table", "is not a DynamoDB table name; use 3 to 255 of A-Z, a-z, 0-9, _, . and -")

    if answers["workers"] == "redis" and answers["store"] == "memory":
        check(
            "workers", "needs logs that other processes see too; use the store dynamo or redis, or the workers inline"
        )

    check("backend_port", port_problem(answers["backend_port"]))
    check("frontend_port", port_problem(answers["frontend_port"]))
    if answers["backend_port"] == answers["frontend_port"] and not port_problem(answers["backend_port"]):
        check("frontend_port", "is the backend_port too; use two different ports")
    return found


def checked(answers: dict[str, Any]) -> str:
    """Gives nothing.

    Raises:
        FailedHookException: an answer is bad. The command line prints the message alone and exits with 1.
    """
    found = problems({name: str(value) for name, value in answers.items()}, answers["_reserved_slugs"])
    if found:
        # The terminal's encoding must not turn a refusal into a traceback.
        encoding = sys.stdout.encoding or "utf-8"
        raise FailedHookException("\n".join(found).encode(encoding, "backslashreplace").decode(encoding))
    return ""


class AnswerCheck(Extension):
    """The filter `checked`."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        environment.filters["checked"] = checked
