"""`python -m app.settings_table`: the table of settings in README.md, made of the settings themselves.

With `--check` it is not written, only looked at. Either way .env.example is held against the settings too.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence

from app.settings import PROJECT_ROOT, Settings

__all__ = ["main"]

BEGIN = "<!-- made by `make settings` -->\n"
END = "<!-- as far as here -->\n"
HEAD = "| name | default | unit | what it sets |\n|---|---|---|---|\n"
# What the template has yet to fill in, as it has in the files that it renders.
PLACEHOLDER = "cookiecutter."


def shown(value: object) -> str:
    """Gives a default as it is written in .env."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def rows(before: str) -> str:
    """Gives the table's rows. A default that the template fills in stays as it was before."""
    filled_in = dict(re.findall(rf"^\| (`\w+`) \| (`[^|]*{re.escape(PLACEHOLDER)}[^|]*`) \|", before, re.MULTILINE))
    lines = []
    for name, field in Settings.model_fields.items():
        title, extra = field.title, field.json_schema_extra
        default = "unset" if field.default is None else f"`{shown(field.default)}`"
        unit = extra.get("unit", "") if isinstance(extra, dict) else ""
        name = f"`{name.upper()}`"
        lines.append(f"| {name} | {filled_in.get(name, default)} | {unit} | {title} |\n")
    return "".join(lines)


def problems_of(example: str) -> list[str]:
    """Gives what is wrong with .env.example: a setting that is not in it, or has another default there."""
    lines = dict(re.findall(r"^# ([A-Z_]+)=(.*)$", example, re.MULTILINE))
    found = []
    for name, field in Settings.model_fields.items():
        value = lines.get(name.upper())
        if value is None:
            found.append(f"{name.upper()} is not in .env.example: add a line with its default.")
        elif field.default is not None and value != shown(field.default) and PLACEHOLDER not in value:
            found.append(f"{name.upper()} is {value} in .env.example, and {shown(field.default)} in the settings.")
    return found


def main(arguments: Sequence[str]) -> int:
    """Writes or checks; gives the exit code, 1 where something is not up to date."""
    readme = PROJECT_ROOT / "README.md"
    before = readme.read_text(encoding="utf-8")
    start, end = before.index(BEGIN) + len(BEGIN), before.index(END)
    after = before[:start] + HEAD + rows(before[start:end]) + before[end:]
    problems = problems_of((PROJECT_ROOT / ".env.example").read_text(encoding="utf-8"))
    if "--check" not in arguments:
        readme.write_text(after, encoding="utf-8")
    elif after != before:
        problems.append("The table of settings in README.md is not up to date: run `make settings`.")
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
