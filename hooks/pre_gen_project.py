"""Refuses answers that would give a broken project.

Each bad answer is one line on stderr that says the value and the fix; the exit code is then 1, upon which
cookiecutter removes the folder that it had made. Nothing is written, no network is used.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

# The answers come as data. tojson escapes both kinds of quotes and the line breaks, so that no answer can end
# this string; it stands on its own line because a JSON string that touched the quotes would run into them.
ANSWERS = r"""
<< cookiecutter | tojson >>
"""

SLUG = re.compile(r"[a-z][a-z0-9-]{1,38}")
TABLE = re.compile(r"[A-Za-z0-9_.-]{3,255}")
PORT = re.compile(r"[1-9][0-9]{3,4}")

# Runs beside cookiecutter for a moment: see sweep_parents().
SWEEPER = """
import os, sys, time
project, *parents = sys.argv[1:]
deadline = time.monotonic() + 5
while os.path.isdir(project) and time.monotonic() < deadline:
    time.sleep(0.01)
for parent in parents:
    try:
        os.rmdir(parent)
    except OSError:
        break  # not empty, so not ours
"""


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

    check("backend_port", port_problem(answers["backend_port"]))
    check("frontend_port", port_problem(answers["frontend_port"]))
    if answers["backend_port"] == answers["frontend_port"] and not port_problem(answers["backend_port"]):
        check("frontend_port", "is the backend_port too; use two different ports")
    return found


def sweep_parents(slug: str, project: Path, output: Path) -> None:
    """Removes the empty folders above a refused project whose slug held a slash.

    cookiecutter makes `a/b` for such a slug before it asks this hook, and afterwards removes `b` alone. The
    hook cannot do it for cookiecutter, which fails when the folder is gone already: so a short-lived process
    waits for `b` to go and then removes what is empty up to the output folder.
    """
    above = list(project.parents)[: slug.count("/")]
    parents = [str(parent) for parent in above if parent != output and parent not in output.parents]
    if parents:
        subprocess.Popen([sys.executable, "-c", SWEEPER, str(project), *parents], cwd=output)


def main() -> int:
    """Checks the answers; 0 when all are good, else 1."""
    context = json.loads(ANSWERS.strip())
    answers = {name: str(value) for name, value in context.items() if not name.startswith("_")}
    found = problems(answers, context["_reserved_slugs"])
    for problem in found:
        # Through bytes: the terminal's encoding must not turn a refusal into a traceback.
        sys.stderr.buffer.write(f"{problem}\n".encode("utf-8", "backslashreplace"))
    if found:
        sweep_parents(answers["project_slug"], Path.cwd(), Path(context["_output_dir"]).resolve())
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
