"""Dates as feeds and sitemaps write them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any

__all__ = ["DateReader"]

_EARLIEST, _LATEST = datetime(1970, 1, 2, tzinfo=timezone.utc), datetime(2200, 1, 1, tzinfo=timezone.utc)
_NUMBERS = re.compile(r"(?<!\d)(\d{1,2})([/-])(\d{1,2})\2(\d{4}|\d{2})(?!\d)")
"""A day and a month in either order, and a year. With points between them the day is first everywhere."""
_THAI = re.compile("[\u0e00-\u0e7f]")
_BUDDHIST_YEARS = 543


class DateReader:
    """Reads dates: RFC 822, ISO 8601, seconds or milliseconds since 1970, and those in words of some 200 languages.

    Where the day and the month are numbers, those of all the dates decide which of them is first: 13/06 shows it for
    05/06. Where nothing shows it, or one date says this and another that, 05/06 cannot be read.

    Arguments:
        texts: all dates of a channel.
        patience: how many dates that cannot be read are looked at in all languages, which takes a tenth of a second
            each; the others are then tried in the first three ways alone.
    """

    def __init__(self, texts: Iterable[str] = (), *, patience: int = 20) -> None:
        numbers = [(int(found[1]), int(found[3])) for text in texts if (found := _NUMBERS.search(text[:100]))]
        day_first, month_first = any(one > 12 for one, _ in numbers), any(other > 12 for _, other in numbers)
        self._undecided = day_first == month_first
        self._order = "MDY" if month_first else "DMY"
        self._patience = patience
        self._words: Any = None

    def read(self, text: str) -> datetime | None:
        """The date in UTC, to the day at least where it is not a year or a month alone; None where it cannot be read
        or is no date of a document's (before 1970, after 2200)."""
        text = " ".join(text.split())[:100]
        for way in (_since_1970, _iso, _rfc_822, self._in_words, _rfc_822_in_some_zone):
            try:
                date = way(text)
                if date is None:
                    continue
                if date.tzinfo is None:
                    date = date.replace(tzinfo=timezone.utc)
                date = date.astimezone(timezone.utc)
            except (ValueError, OverflowError, OSError, IndexError):
                continue
            if _EARLIEST <= date < _LATEST:
                return date
        return None

    def _in_words(self, text: str) -> datetime | None:
        if self._patience <= 0 or len(re.findall(r"\d+", text)) < 2:  # a day and a year
            return None
        numbers = _NUMBERS.search(text)
        if self._undecided and numbers and numbers[1] != numbers[3] and max(int(numbers[1]), int(numbers[3])) <= 12:
            return None
        if self._words is None:
            from dateparser.date import DateDataParser

            # A part that is missing would be taken from today.
            self._words = DateDataParser(
                settings={
                    "DATE_ORDER": self._order, "PARSERS": ["absolute-time"], "REQUIRE_PARTS": ["day", "month", "year"],
                    "RETURN_AS_TIMEZONE_AWARE": True, "STRICT_PARSING": True, "TIMEZONE": "UTC",
                }
            )  # fmt: skip
        date: datetime | None = self._words.get_date_data(text).date_obj
        if date is None:
            self._patience -= 1
        elif date.year >= 2400 and _THAI.search(text):
            date = date.replace(year=date.year - _BUDDHIST_YEARS)
        return date


def _since_1970(text: str) -> datetime | None:
    if not re.fullmatch(r"\d{9,10}|\d{12,13}", text):
        return None
    return datetime.fromtimestamp(int(text) / (1 if len(text) <= 10 else 1000), timezone.utc)


def _iso(text: str) -> datetime | None:
    from dateutil.parser import isoparse

    match = re.fullmatch(r"(\d{4})-(\d\d?)-(\d\d?)(?:T00:00:00)?", text)
    if match:  # without the zeros that the standard wants
        return datetime(int(match[1]), int(match[2]), int(match[3]))
    match = re.fullmatch(r"(\d{4}[\d-]*)(?:[T ]([\d:.,]+)(?: ?(Z|z|[+-][\d:]+))?)?", text)
    if match is None:
        return None
    day, time, zone = match[1], match[2], (match[3] or "").upper()
    date: datetime = isoparse(day if time is None else f"{day}T{time}{zone}")
    return date


def _rfc_822(text: str) -> datetime | None:
    date = _rfc_822_in_some_zone(text)
    # A zone's name that the standard does not have: dateparser may know it.
    return None if date.tzinfo is None and re.search(r"[A-Za-z]{2,}[^ ]*$", text) else date


def _rfc_822_in_some_zone(text: str) -> datetime:
    # Neither more than three letters of a month nor a colon in the zone are part of the standard, nor are they rare.
    text = re.sub(r"\b(Sept|June|July)\b", lambda match: match[1][:3], text)
    return parsedate_to_datetime(re.sub(r"([+-]\d\d):(\d\d)$", r"\1\2", text))
