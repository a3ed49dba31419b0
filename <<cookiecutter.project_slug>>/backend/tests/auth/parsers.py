"""What sign-in adds to the parsers of tests/families.py."""

from __future__ import annotations

from pathlib import Path

from app.auth.tokens import Tokens
from tests.families import Parser

__all__ = ["parsers"]


def parsers(folder: Path) -> dict[str, Parser]:
    """What methods read."""
    return {"app.auth.tokens.Tokens.read_access": Tokens(b"x" * 32, seconds=60).read_access}
