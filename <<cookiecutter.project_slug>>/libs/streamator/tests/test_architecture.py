"""ARCHITECTURE.md: each path and each name in it exists."""

from __future__ import annotations

import re
from pathlib import Path

FOLDER = Path(__file__).parents[1]
PACKAGE = FOLDER / "src" / "streamator"
TEXT = (FOLDER / "ARCHITECTURE.md").read_text(encoding="utf-8")
QUOTED = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", TEXT, flags=re.MULTILINE | re.DOTALL))
SOURCES = "\n".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))

PATH = re.compile(r"[\w/]+\.(?:py|md)|[\w/]+/")
NAME = re.compile(r"_?[A-Z][A-Za-z]+(?:\.\w+)?|[A-Z_]{4,}|_?[a-z]+(?:_[a-z]+)*")


def test_each_path_exists() -> None:
    """From the package or the library's folder; a file may be named alone in the row of its room."""
    there = {path.name for path in PACKAGE.rglob("*.py")}
    paths = {each for each in QUOTED if PATH.fullmatch(each)}
    missing = {
        each for each in paths - there if not (PACKAGE / each).exists() and not (FOLDER / each).exists()
    }  # fmt: skip
    assert len(paths) > 40 and not missing


def test_each_module_has_a_line() -> None:
    """In the table of the rooms a module is named, or its folder is."""
    rooms = TEXT.partition("## The rooms")[2].partition("\n## ")[0]
    named = set(re.findall(r"`([\w/]+(?:\.py|/))`", rooms))
    top = {path.name + ("/" if path.is_dir() else "") for path in PACKAGE.iterdir() if not path.name.startswith("__p")}
    deprecated = {"redis_url.py", "viewer.py", "websocket.py", "py.typed"}
    assert top - deprecated <= named, top - deprecated - named


def test_each_name_exists() -> None:
    names = {each.partition("(")[0] for each in QUOTED if NAME.fullmatch(each.partition("(")[0])}
    parts = {part for name in names for part in name.split(".")}
    missing = {part for part in parts if not re.search(rf"\b{part}\b", SOURCES)}
    assert len(names) > 25 and not missing


def test_it_is_two_pages() -> None:
    assert len(TEXT.split()) < 1_500
