"""Nobody holds up anybody: whatever a stranger sends, time grows no more than its size does, another user waits no more
than a quarter of a second, and memory comes back. See tests/families.py."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.families import BOUND, FAMILIES, TELLING, growth, parsers
from tests.places import BODY_BYTES, PAIRS, PARTS, SHAPES, SHORT, WIRE, Place, places
from tests.trials import ENVIRONMENT, answers, known, try_crowd, try_parser, try_place
from tests.waits import Watched, watched

pytestmark = pytest.mark.server

SLICES = 4
"""The long tests are so many, to be run side by side."""

_LIBXML2 = "libxml2 compares each with those before it; a document is read in a process that has MAX_READING_SECONDS"
SUPERLINEAR = {
    "attributes": (("app.ingest.readers.html.", "read "), _LIBXML2),
    "namespaces": (("app.ingest.readers.html.", "read "), _LIBXML2),
    "front matter nested": (("app.ingest.readers.",), "PyYAML gives up at Python's recursion limit, after 0.6 s"),
}
"""Families for which the parsers whose names begin so take more time than they should, and what bounds it."""

LARGE = {"distinct sentences", "lists in a list", "ampersands", "half a boundary", "many headers"}
"""The families that are sent four at a time."""


def try_parsers(folder: Path, subtests: pytest.Subtests, part: slice, *, short: bool) -> None:
    telling = {name: FAMILIES[name] for name in TELLING}
    found = parsers(folder)
    if short:  # whole documents are read by the others
        found = {label: parser for label, parser in found.items() if not label.startswith("read ")}
    for label, parser in list(found.items())[part]:
        families = telling if short or label.startswith("read ") else FAMILIES
        largest = 8_000 if short else 64_000
        with subtests.test(label):
            trials = try_parser(label, parser, families, largest=largest)
            bounded = {family for family, (beginnings, _) in SUPERLINEAR.items() if label.startswith(beginnings)}
            assert [str(each) for each in trials if each.fails and each.family not in bounded] == []


def test_the_time_of_a_parser_grows_no_more_than_its_text(tmp_path: Path, subtests: pytest.Subtests) -> None:
    try_parsers(tmp_path, subtests, slice(None), short=True)


@pytest.mark.long
@pytest.mark.parametrize("part", range(SLICES))
def test_the_time_of_a_parser_grows_no_more_than_any_text(tmp_path: Path, part: int, subtests: pytest.Subtests) -> None:
    try_parsers(tmp_path, subtests, slice(part, None, SLICES), short=False)


def test_the_families_of_the_short_tests_are_there() -> None:
    assert {*FAMILIES, *SHAPES, *PARTS, *PAIRS, *WIRE} >= SHORT | LARGE


def test_a_parser_that_is_quadratic_is_found() -> None:
    spent = 0.0

    def slope(seconds: Callable[[int], float]) -> float:
        def parser(text: str) -> None:
            nonlocal spent
            spent += seconds(len(text))

        return growth(parser, lambda size: "a" * size, largest=1_000_000, clock=lambda: spent).slope

    assert slope(lambda size: (size / 100_000) ** 2) == pytest.approx(2, abs=0.01)
    # Quadratic within pieces of 40,000 characters.
    assert slope(lambda size: size * min(size, 40_000) / 100_000**2) < BOUND
    assert slope(lambda size: size / 1_000_000) == pytest.approx(1, abs=0.01)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Watched]:
    pytest.importorskip("app.auth", reason="there are two users")
    pytest.importorskip("app.ingest", reason="the documents are those of ingest")
    pytest.importorskip("app.generation", reason="the jobs are those of generation")
    from tests.ingest.library import fill_library

    with watched(tmp_path, fill_library, **ENVIRONMENT) as made:
        yield made


def try_places(server: Watched, subtests: pytest.Subtests, part: slice, *, short: bool) -> None:
    found = [each for each in places(known(server), server.attacker) if not short or is_short(each)][part]
    with server.another_asks():
        for place in found:
            with subtests.test(str(place)):
                trials = list(try_place(server, place, short=short))
                assert [str(each) for each in trials if each.fails] == []
                if place.name != "header authorization" and "/auth/" not in place.operation:
                    assert 401 not in {each.status for each in trials}, "nothing of it is read"
    assert server.refused == []


def is_short(place: Place) -> bool:
    """Whether a place is one of the short tests: each but for all kinds of files, and the second route of those that
    do the same."""
    return not place.name.startswith("file ") and not (
        place.operation.endswith("/stream") and place.operation.startswith("POST")
    )


def test_nothing_that_is_sent_holds_up_another_user(server: Watched, subtests: pytest.Subtests) -> None:
    try_places(server, subtests, slice(None), short=True)


@pytest.mark.long
@pytest.mark.parametrize("part", range(SLICES))
def test_no_family_at_any_place_holds_up_another_user(server: Watched, part: int, subtests: pytest.Subtests) -> None:
    try_places(server, subtests, slice(part, None, SLICES), short=False)


def test_whole_answers_hold_up_nobody_and_leave_no_memory(server: Watched, subtests: pytest.Subtests) -> None:
    found = server.server.client.get("/api/documents", params={"q": "house"}, headers=server.attacker).json()
    assert found["total"] > 1, "there is nothing to find"
    with server.another_asks():
        for operation, request in answers(server, known(server)):
            with subtests.test(operation):
                (trial,) = try_crowd(server, operation, request)
                assert (trial.status, trial.fails) == (200, ""), trial
    assert server.refused == []


@pytest.mark.long
def test_large_bodies_hold_up_nobody_and_leave_no_memory(server: Watched, subtests: pytest.Subtests) -> None:
    with server.another_asks():
        for place in places(known(server), server.attacker):
            if place.largest > BODY_BYTES and is_short(place):
                for name in LARGE & place.families.keys():
                    with subtests.test(f"{place}, {name}"):
                        request = place.fill(place.families[name](250_000))
                        trials = try_crowd(server, f"{place}, {name}", request)
                        assert [str(each) for each in trials if each.fails] == []
    assert server.refused == []
