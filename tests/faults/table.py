"""The table of faults in the library's README: made of what a whole test run reported, never by hand.

    python tests/faults/table.py [--check]

Each step of `make test` leaves its results in build/results as JUnit XML. Here they are read and put in their
lines; the table is written, or with `--check` compared with the one that is there. The exit code is 1 if a line
has no test for one of its stores, if a test of a line failed, or if the table was another.
"""

from __future__ import annotations

import argparse
import re
import sys
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lines import AREAS, LINES, STORES

REPOSITORY = Path(__file__).resolve().parent.parent.parent
RESULTS = REPOSITORY / "build" / "results"
README = REPOSITORY / "<<cookiecutter.project_slug>>" / "libs" / "streamator" / "README.md"
BEGIN, END = "<!-- faults: made by make faults -->\n", "<!-- /faults -->\n"

# `test_07_...` of pytest; `07: ...` of Playwright, which puts the titles of the groups before it.
NUMBERED = re.compile(r"^test_(\d\d)_|(?:^|› )(\d\d): ")


@dataclass(frozen=True)
class Result:
    """What came of one test of a line."""

    number: int
    store: str
    name: str
    where: str
    passed: bool


def read(report: Path) -> Iterator[Result]:
    """Gives the results of the tests in one JUnit file that have a line's number.

    The file is called `<where>.xml`, or `<where>-<store>-<sign-in>.xml` where a whole run is of one store. A test
    that was skipped counts as one that is not there.
    """
    where, store = [*report.stem.split("-"), ""][:2]
    for case in ElementTree.parse(report).iter("testcase"):
        name, group = case.get("name", ""), case.get("classname", "")
        match = NUMBERED.search(name)
        if match is None or case.find("skipped") is not None:
            continue
        named = next((each for each in STORES if each in f"{group} {name}".lower()), "memory")
        passed = case.find("failure") is None and case.find("error") is None
        yield Result(int(match[1] or match[2]), store or named, f"{group}: {name}", where, passed)


def table(results: Iterable[Result]) -> tuple[str, list[str]]:
    """Gives the table as Markdown, and what is wrong: lines without a test, tests without a line, failures."""
    by_line: dict[int, list[Result]] = defaultdict(list)
    for result in results:
        by_line[result.number].append(result)
    wrong = [f"{each.name} has the number of no line" for number in by_line.keys() - LINES for each in by_line[number]]
    rows = []
    for number, line in LINES.items():
        if number in AREAS:
            rows.append(f"| | **{AREAS[number]}** | | | | | |")
        of_line = by_line[number]
        wrong += [f"line {number}: {each.name} failed" for each in of_line if not each.passed]
        cells = []
        for store, title in STORES.items():
            tests = [each for each in of_line if each.store == store]
            if store in line.stores and not tests:
                wrong.append(f"line {number} has no test with {title}: {line.what}")
            cells.append(_cell(tests, store in line.stores))
        if not of_line and not line.stores:
            wrong.append(f"line {number} has no test: {line.what}")
        where = ", ".join(sorted({each.where for each in of_line}))
        rows.append(f"| {number} | {line.what} | {line.outcome} | {' | '.join(cells)} | {where} |")
    head = f"| | What happens | What comes of it | {' | '.join(STORES.values())} | Tests of |"
    return "\n".join([head, "|---:|---|---|---|---|---|---|", *rows]) + "\n", wrong


def _cell(tests: list[Result], wanted: bool) -> str:
    if not tests:
        return "**no test**" if wanted else "–"
    return "passed" if all(each.passed for each in tests) else "**failed**"


def main() -> int:
    """Writes or compares the table; 0 when all is well."""
    parser = argparse.ArgumentParser(description="The table of faults in the library's README.")
    parser.add_argument("--check", action="store_true", help="write nothing, and fail if the table is another")
    check = parser.parse_args().check
    reports = sorted(RESULTS.glob("*.xml"))
    if not reports:
        print(f"There are no results in {RESULTS}: run `make test` first.", file=sys.stderr)
        return 2
    made, wrong = table(result for report in reports for result in read(report))
    text = README.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    there, end, after = rest.partition(END)
    if not end:
        print(f"{README} has no place for the table: put {BEGIN.strip()} and {END.strip()} into it.", file=sys.stderr)
        return 2
    if made != there:
        if check:
            wrong.append("the table in the library's README is not what came out: run `make faults`")
        else:
            README.write_text(before + BEGIN + made + END + after, encoding="utf-8")
    for each in wrong:
        print(each, file=sys.stderr)
    lines = f"{len(LINES)} lines, {len(reports)} reports"
    print(f"{lines}: {f'{len(wrong)} things are wrong' if wrong else 'each has its tests, and they passed'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
