"""What an option may be. Each check returns the value, or raises ValueError with the option, the value and the fix."""

from __future__ import annotations

import re
from collections.abc import Collection
from numbers import Integral, Real
from typing import Any, Final, TypeVar

T = TypeVar("T")

DAY_SECONDS: Final = 86_400
YEAR_SECONDS: Final = 31_536_000
MOST: Final = 1_000_000_000_000
"""The most of anything that is counted, jobs, events or bytes: more than any machine has, and an integer to Redis."""


def wrong(name: str, value: object, fix: str) -> ValueError:
    """The error for an option that cannot be used."""
    try:
        shown = repr(value)
    except Exception as error:  # the caller's own class
        shown = f"a {type(value).__name__} whose repr fails ({type(error).__name__})"
    return ValueError(f"{name} is {shown if len(shown) <= 100 else shown[:100] + '...'}: {fix}")


def check_number(
    name: str, value: T, least: float, most: float, unit: str = "", *, above: bool = False, why: str = ""
) -> T:
    """A number in a range; ``above``: larger than ``least``. NaN, booleans and texts are none."""
    in_range = _is_number(value) and (least < value if above else least <= value) and value <= most  # type: ignore[operator]
    if not in_range:
        bounds = f"greater than {least:,g} and up to {_shown(most)}" if above else f"from {least:,g} to {_shown(most)}"
        raise wrong(name, value, f"give a number {bounds}{unit and f', in {unit}'}{why and f'; {why}'}")
    return value


def check_count(name: str, value: T, least: int = 1, most: int = MOST) -> T:
    """A whole number in a range."""
    if not (_is_number(value) and isinstance(value, Integral) and least <= value <= most):  # type: ignore[operator]
        raise wrong(name, value, f"give a whole number from {least:,} to {most:,}")
    return value


def check_cursor(name: str, value: T) -> T:
    """The id of an event: a whole number, also one that no event has."""
    if not (_is_number(value) and isinstance(value, Integral)):
        raise wrong(name, value, "give the id of the last event that was seen, 0 for none")
    return value


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _shown(number: float) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:,g}"


def check_flag(name: str, value: T) -> T:
    """True or False: any text, ``"no"`` too, would count as true."""
    if not isinstance(value, bool):
        raise wrong(name, value, "give True or False")
    return value


def check_choice(name: str, value: T, choices: Collection[str]) -> T:
    """One of some texts."""
    if not isinstance(value, str) or value not in choices:
        raise wrong(name, value, f"use one of {', '.join(map(repr, choices))}")
    return value


def check_text(name: str, value: T, form: str, fix: str) -> T:
    """A text that a regular expression matches as a whole."""
    if not isinstance(value, str) or not re.fullmatch(form, value):
        raise wrong(name, value, fix)
    return value


def check_kind(name: str, value: T, kinds: type[Any] | tuple[type[Any], ...], fix: str) -> T:
    """An object of a class."""
    if not isinstance(value, kinds):
        raise wrong(name, value, fix)
    return value


def check_callable(name: str, value: T, fix: str) -> T:
    """What can be called."""
    if not callable(value):
        raise wrong(name, value, fix)
    return value


def check_prefix(name: str, value: str) -> str:
    """The path in front of a route: empty, or with a slash at its beginning and none at its end."""
    if not isinstance(value, str) or (value and not value.startswith("/")) or value.endswith("/"):
        raise wrong(name, value, "give a path such as '/log', without a slash at its end, or '' for none")
    return value


def check_path(name: str, value: str) -> str:
    """The path of a route."""
    if not isinstance(value, str) or not value.startswith("/"):
        raise wrong(name, value, "give a path that begins with a slash, such as '/metrics'")
    return value


def check_timeout(name: str, value: T) -> T:
    """Seconds to wait at the most; 0 looks once."""
    return check_number(name, value, 0, YEAR_SECONDS, "seconds")
