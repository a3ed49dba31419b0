"""What generation adds to the parsers of tests/families.py."""

from __future__ import annotations

from pathlib import Path

from app.generation.characters import Characters
from app.generation.prompt import Prompt, Section
from tests.families import Parser, cut

__all__ = ["GIVEN", "parsers"]

GIVEN = {
    "prompt": Prompt(
        name="a", title="A", description="A", sections=(Section(heading="A", form="points"),), min_words=1,
        max_words=5_000, instructions="A",
    ),
}  # fmt: skip


def parsers(folder: Path) -> dict[str, Parser]:
    """What methods read."""
    return {"app.generation.characters.Characters.add": lambda text: [Characters().add(each) for each in cut(text)]}
