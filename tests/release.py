"""Says whether a tag is the version that the files have, before a release is made of it.

    python tests/release.py v0.3.0

Each file with another version is one line on stderr; the exit code is then 1. Only the standard library is used.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
LIBRARIES = "<<cookiecutter.project_slug>>/libs"


def versions(repository: Path) -> dict[str, str]:
    """Gives the version that each file has which names one, by its path; of CHANGELOG.md the newest that is no plan."""

    def found(name: str, pattern: str) -> str:
        match = re.search(pattern, (repository / name).read_text(encoding="utf-8"), re.MULTILINE)
        return match[1] if match else "none"

    answers = json.loads((repository / "cookiecutter.json").read_text(encoding="utf-8"))
    manifest = json.loads((repository / LIBRARIES / "streamator-react" / "package.json").read_text(encoding="utf-8"))
    return {
        "cookiecutter.json": answers["_template_version"],
        f"{LIBRARIES}/streamator/pyproject.toml": found(
            f"{LIBRARIES}/streamator/pyproject.toml", r'^version = "(.+)"$'
        ),
        f"{LIBRARIES}/streamator-react/package.json": manifest["version"],
        "CHANGELOG.md": found("CHANGELOG.md", r"^## (\d\S*)"),
    }


def problems(repository: Path, tag: str) -> list[str]:
    """Gives a sentence for each file whose version is not the tag's, which is `v` and the version."""
    wrong = [(name, version) for name, version in versions(repository).items() if f"v{version}" != tag]
    return [f"{name} has version {version}, and the tag is {tag}: make them one." for name, version in wrong]


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Which tag? Run: python tests/release.py v1.2.3")
    sys.exit("\n".join(problems(REPOSITORY, sys.argv[1])) or 0)
