"""Prompts: Markdown files, with what the result must be at their head and the instructions below."""

from __future__ import annotations

import asyncio
from pathlib import Path
from string import Template
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

__all__ = ["Form", "Length", "Prompt", "PromptError", "Prompts", "Section"]

Form = Literal["points", "summary", "outline", "links"]
Length = Literal["short", "standard", "long"]

_FACTORS: dict[Length, float] = {"short": 0.5, "standard": 1.0, "long": 2.0}


class PromptError(Exception):
    """A prompt's file cannot be used. The text names the file and says why."""


class Section(BaseModel):
    """A part that the result must have."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    heading: Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[^\n]+$")]
    form: Form
    """What the built-in generator puts there; a model goes by the instructions."""


class Prompt(BaseModel):
    """What to make of a text, and what the result is checked against."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    title: str
    description: str
    sections: Annotated[tuple[Section, ...], Field(min_length=1)]
    min_words: Annotated[int, Field(ge=1)]
    max_words: Annotated[int, Field(ge=1, le=5000)]
    instructions: Annotated[str, Field(min_length=1)]

    def words(self, length: Length) -> tuple[int, int]:
        """The fewest and the most words that a result may have."""
        return max(1, round(self.min_words * factor(length))), round(self.max_words * factor(length))

    def system(self, length: Length) -> str:
        """The instructions for a model, filled in."""
        fewest, most = self.words(length)
        headings = "\n".join(f"## {section.heading}" for section in self.sections)
        return Template(self.instructions).substitute(headings=headings, min_words=fewest, max_words=most)


def factor(length: Length) -> float:
    """How much longer than standard."""
    return _FACTORS[length]


class Prompts:
    """The prompts in a folder. They are read for each run anew: an edit holds from the next one on."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def all(self) -> list[Prompt]:
        """Every prompt, by title.

        Raises:
            PromptError: one of the files cannot be used.
        """
        return await asyncio.to_thread(
            lambda: sorted(map(_read, self._folder.glob("*.md")), key=lambda each: each.title)
        )

    async def get(self, name: str) -> Prompt | None:
        """One prompt; None where there is none of this name.

        Raises:
            PromptError: its file cannot be used.
        """

        def find() -> Prompt | None:
            # Looked up among what is there: a name of the user's is never made into a path.
            return next((_read(path) for path in self._folder.glob("*.md") if path.stem == name), None)

        return await asyncio.to_thread(find)


def _read(path: Path) -> Prompt:
    text = path.read_text(encoding="utf-8")
    opening, _, rest = text.partition("---\n")
    head, fence, instructions = rest.partition("\n---\n")
    if opening or not fence:
        raise PromptError(f"{path}: no head was found: begin with a line ---, the settings, and a line ---.")
    try:
        values: Any = yaml.safe_load(head)
        prompt = Prompt.model_validate({**values, "name": path.stem, "instructions": instructions.strip()})
        prompt.system("standard")
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise PromptError(f"{path}: {where}={first['input']!r}: {first['msg']}.") from error
    except (yaml.YAMLError, TypeError) as error:
        raise PromptError(f"{path}: the head is no YAML mapping: {error}") from error
    except (KeyError, ValueError) as error:  # of Template
        raise PromptError(
            f"{path}: the instructions hold {error}: use $headings, $min_words and $max_words, and $$ for a dollar."
        ) from error
    return prompt
