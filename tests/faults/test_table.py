"""The table of faults: what is read from the reports of a run, and what counts as wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from lines import LINES, STORES
from table import Result, read, table


def everything() -> list[Result]:
    """One test that passed for each line and store."""
    return [
        Result(number, store, f"test_{number:02}_x", "library", True)
        for number, line in LINES.items()
        for store in line.stores or ("memory",)
    ]


@pytest.mark.parametrize(
    ("file", "case", "found"),
    [
        ("library", 'classname="tests.test_log" name="test_07_x"', (7, "memory", True)),
        ("library", 'classname="tests.test_redis.TestRedisFaults" name="test_07_x"', (7, "redis", True)),
        ("servers", 'classname="test_kill" name="test_02_x[dynamo-9]"', (2, "dynamo", True)),
        ("page-redis-none", 'classname="live.spec.ts" name="reading › 37: x after a 502"', (37, "redis", True)),
        ("page-redis-none", 'classname="live.spec.ts" name="37: x"', (37, "redis", True)),
        ("library", 'classname="tests.test_log" name="test_ids_of_1000: x"', None),
        ("page-redis-none", 'classname="live.spec.ts" name="at 12:37: x"', None),
    ],
)
def test_a_test_is_of_the_line_in_its_name_and_the_store_it_ran_on(
    tmp_path: Path, file: str, case: str, found: tuple[int, str, bool] | None
) -> None:
    report = tmp_path / f"{file}.xml"
    report.write_text(f"<testsuites><testsuite><testcase {case} /></testsuite></testsuites>", encoding="utf-8")
    results = [(each.number, each.store, each.passed) for each in read(report)]
    assert results == ([] if found is None else [found])


@pytest.mark.parametrize(("what", "passed"), [("<failure/>", [False]), ("<error/>", [False]), ("<skipped/>", [])])
def test_a_test_that_did_not_pass_does_not_count_for_its_line(tmp_path: Path, what: str, passed: list[bool]) -> None:
    report = tmp_path / "library.xml"
    report.write_text(f'<testsuite><testcase classname="a" name="test_07_x">{what}</testcase></testsuite>')
    assert [each.passed for each in read(report)] == passed


def test_with_a_test_for_each_line_and_store_nothing_is_wrong() -> None:
    made, wrong = table(everything())
    assert wrong == []
    assert "**no test**" not in made and "**failed**" not in made
    assert sum(line.startswith("| 7 |") for line in made.splitlines()) == 1


@pytest.mark.parametrize("number", LINES)
def test_a_line_without_a_test_for_one_of_its_stores_is_named(number: int) -> None:
    store = (*LINES[number].stores, "memory")[0]
    made, wrong = table(each for each in everything() if (each.number, each.store) != (number, store))
    assert len(wrong) == 1 and f"line {number} has no test" in wrong[0]
    assert ("**no test**" in made) == bool(LINES[number].stores)


def test_one_failure_among_a_lines_tests_is_a_failure_of_the_line() -> None:
    made, wrong = table([*everything(), Result(7, "redis", "test_07_y", "app", False)])
    assert wrong == ["line 7: test_07_y failed"]
    row = next(line for line in made.splitlines() if line.startswith("| 7 |"))
    assert row.endswith("| – | passed | **failed** | app, library |")


def test_a_number_that_is_no_lines_is_named() -> None:
    _, wrong = table([*everything(), Result(69, "memory", "test_69_x", "app", True)])
    assert wrong == ["test_69_x has the number of no line"]


def test_each_store_is_told_by_a_word_that_no_other_has() -> None:
    assert not [(a, b) for a in STORES for b in STORES if a != b and a in b]
