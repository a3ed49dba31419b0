"""What is done apart from the server with texts and drafts: both are a stranger's input to parsers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

from app.generation.draft import has_marks, only_draft
from app.generation.markdown import format_markdown
from app.generation.prompt import Length, Prompt
from app.generation.validate import count_words, validate
from app.wording import beginning

__all__ = ["Survey", "check", "count_words", "shorten", "survey", "tidy"]


class Survey(TypedDict):
    """What has to be known of a text before it is written about."""

    words: int
    marks: bool
    """Whether it has marks of models itself."""


def survey(text: str) -> Survey:
    """Looks at a text."""
    return {"words": count_words(text), "marks": has_marks(text)}


def tidy(answer: str, prompt: Mapping[str, Any], source: str) -> tuple[str, list[str], int]:
    """The draft that an answer holds, in one form; what was said around it; and the words of the draft."""
    draft, around = only_draft(answer, Prompt.model_validate(prompt), source)
    formatted = format_markdown(draft)
    return formatted, around, count_words(formatted)


def check(draft: str, prompt: Mapping[str, Any], length: Length, source: str) -> list[tuple[str, str | None]]:
    """What is wrong with a draft: of each problem its message, and the link that it is about."""
    problems = validate(draft, prompt=Prompt.model_validate(prompt), length=length, source=source)
    return [(problem.message, problem.link) for problem in problems]


def shorten(text: str, length: int) -> tuple[int, int]:
    """How many characters a text has up to the end of a paragraph, a line, a sentence or a word, which are `length` at
    most; and how many words they are."""
    cut = beginning(text, length)
    for mark in ("\n\n", "\n", ". ", "。", " "):
        if (place := cut.rfind(mark, length // 2)) > 0:
            cut = cut[: place + len(mark)].rstrip()
            break
    return len(cut), count_words(cut)
