"""Checks of options. Each check returns the value, or raises ValueError with the option, the value and the fix."""

from __future__ import annotations

import re
from collections.abc import Collection
from numbers import Integral, Real
from typing import Any, Final, TypeVar

T = TypeVar("T")

DAY_SECONDS: Final = 86_400
YEAR_SECONDS: Final = 31_536_000
MOST: Final = 1_000_000_000_000
"""The largest count of jobs, events or bytes: more than any machine has, and an exact integer in Redis."""


def wrong(name: str, value: object, fix: str) -> ValueError:
    """The error for an option that cannot be used."""
    try:
        shown = repr(value)
    except Exception as error:  # the caller's own class
        shown = f"a {type(value).__name__} whose repr fails ({type(error).__name__})"
    return ValueError(f"{name} is {shown if len(shown) <= 100 else shown[:100] + '...'}: {fix}")


# Error texts are built only when a check fails: a new log, with all its checks, would take a fifth longer.


def check_number(
    name: str, value: T, least: float, most: float, unit: str = "", *, above: bool = False, why: str = ""
) -> T:
    """A number in a range; ``above``: larger than ``least``. NaN, booleans and texts are refused."""
    number: Any = value  # a `Real` can be compared, which its type does not say
    if not (_is_number(number) and (least < number if above else least <= number) and number <= most):
        bounds = f"greater than {least:,g} and up to" if above else f"from {least:,g} to"
        shown = f"{most:,}" if isinstance(most, int) else f"{most:,g}"
        raise wrong(name, value, f"give a number {bounds} {shown}{unit and f', in {unit}'}{why and f'; {why}'}")
    return value


def check_count(name: str, value: T, least: int = 1, most: int = MOST) -> T:
    """A whole number in a range."""
    number: Any = value
    if not (_is_whole(number) and least <= number <= most):
        raise wrong(name, value, f"give a whole number from {least:,} to {most:,}")
    return value


def check_cursor(name: str, value: T) -> T:
    """The id of an event: a whole number, also one that no event has."""
    return check(_is_whole(value), name, value, "give the id of the last event that was seen, 0 for none")


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _is_whole(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def check(good: object, name: str, value: T, fix: str) -> T:
    """``value``, if it is ``good``."""
    if not good:
        raise wrong(name, value, fix)
    return value


def check_flag(name: str, value: T) -> T:
    """True or False: any text, ``"no"`` too, would count as true."""
    return check(isinstance(value, bool), name, value, "give True or False")


def check_choice(name: str, value: T, choices: Collection[str]) -> T:
    """One of some texts."""
    if not isinstance(value, str) or value not in choices:
        raise wrong(name, value, f"use one of {', '.join(map(repr, choices))}")
    return value


def check_text(name: str, value: T, form: str, fix: str) -> T:
    """A text that a regular expression matches as a whole."""
    return check(isinstance(value, str) and re.fullmatch(form, value), name, value, fix)


def check_kind(name: str, value: T, kinds: type[Any] | tuple[type[Any], ...], fix: str) -> T:
    """An object of a class."""
    return check(isinstance(value, kinds), name, value, fix)


def check_callable(name: str, value: T, fix: str) -> T:
    """What can be called."""
    return check(callable(value), name, value, fix)


def check_prefix(name: str, value: str) -> str:
    """The path in front of a route: empty, or with a slash at its beginning and none at its end."""
    good = isinstance(value, str) and (not value or value.startswith("/")) and not value.endswith("/")
    return check(good, name, value, "give a path such as '/log', without a slash at its end, or '' for none")


def check_path(name: str, value: str) -> str:
    """The path of a route."""
    good = isinstance(value, str) and value.startswith("/")
    return check(good, name, value, "give a path that begins with a slash, such as '/metrics'")


def check_timeout(name: str, value: T) -> T:
    """Seconds to wait at the most; 0 looks once."""
    return check_number(name, value, 0, YEAR_SECONDS, "seconds")
