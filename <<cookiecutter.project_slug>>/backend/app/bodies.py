"""What requests hold: a field that nobody knows is refused, and never ignored, and JSON is small."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable
from typing import Any

from pydantic import AliasChoices, BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

__all__ = ["MAX_JSON_DEPTH", "MAX_JSON_VALUES", "REFUSED", "RequestBody", "problem_of_json", "unknown_field"]

MAX_JSON_VALUES = 1_000
"""The values in the JSON of a request, all together. To say what is wrong with as many takes pydantic some 40 ms."""

MAX_JSON_DEPTH = 32
"""How deep its lists and objects may be in each other."""

REFUSED = "refused"
"""The type of a validation error whose message says all there is to say."""


class RequestBody(BaseModel):
    """The body of a request, or an object in it.

    Guarantee: a field that it does not have is an error that names it, and the one that may be meant; text that cannot
    be written down, with half a character in it (a lone surrogate), is one too.
    """

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _is_understood(cls, body: Any) -> Any:
        if not isinstance(body, dict):
            return body
        known = cls.names()
        for name in body:
            if problem := unknown_field(str(name), known):
                raise _refused(problem)
        for names in cls._synonyms():
            if len(given := [name for name in names if name in body]) > 1:
                raise _refused(f"{' and '.join(given)} mean the same: send one of them")
        for name, value in body.items():
            if any(not _is_text(text) for text in _texts_in(value)):
                raise _refused(f"{name} holds half a character (a lone surrogate): send text that is whole")
        return body

    @classmethod
    def names(cls) -> list[str]:
        """The names of its fields, with their synonyms."""
        return [name for names in cls._synonyms() for name in names]

    @classmethod
    def _synonyms(cls) -> list[list[str]]:
        return [
            [str(choice) for choice in field.validation_alias.choices]
            if isinstance(field.validation_alias, AliasChoices)
            else [name]
            for name, field in cls.model_fields.items()
        ]


def problem_of_json(body: bytes) -> str | None:
    """What is too much in a JSON text, or None. None of it is parsed: it takes a few passes of the bytes, in C."""
    if b"\0" in body:  # in UTF-16 and UTF-32, which the parser takes too, every mark has one
        return "the JSON is not in UTF-8: send it so"
    quoted = body.replace(rb"\\", b"").replace(rb"\"", b"").split(b'"', 4 * MAX_JSON_VALUES)
    outside = b"".join(quoted[::2])  # of its strings
    # A value is the first of a list or an object, or has a comma before it; it has two strings at most, its name too.
    values = sum(outside.count(mark) for mark in (b"[", b"{", b","))
    if len(quoted) > 4 * MAX_JSON_VALUES or values > MAX_JSON_VALUES:
        return f"the JSON has more than {MAX_JSON_VALUES:,} values: send fewer"
    depth = 0
    for mark in re.finditer(rb"[\[{\]}]", outside):
        depth += 1 if mark[0] in b"[{" else -1
        if depth > MAX_JSON_DEPTH:
            return f"the JSON is more than {MAX_JSON_DEPTH} lists and objects deep: send flatter ones"
        if depth < 0:
            break  # it is no JSON, as its parser will say
    return None


def unknown_field(name: str, known: Collection[str]) -> str | None:
    """What is wrong with a field's name; None where it is known."""
    if name in known:
        return None
    near = difflib.get_close_matches(name[:100].lower(), known, 1, 0.6)
    fix = f"did you mean `{near[0]}`?" if near else f"there are {', '.join(known)}"
    return f"{name[:100]!r} is no field here: {fix}"


def _refused(problem: str) -> PydanticCustomError:
    return PydanticCustomError(REFUSED, "{problem}", {"problem": problem})


def _texts_in(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for inner in value:
            yield from _texts_in(inner)


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
