"""Runs all checks of the template, one after another, and ends with the sum of all test results.

    python tests/run_all.py [--only lint|bake|project|faults|e2e]

Every step runs, also after one that failed, so that one run shows all there is to repair; the exit code is 1
if any failed. The last line is `N passed, N failed`, added up from what pytest, vitest and Playwright report
themselves. A step that should run tests and reports none counts as failed. What each test did is left in
build/results as JUnit XML, of which the library's table of faults is made.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from bake import REPOSITORY, TEMPLATE

PROJECT = REPOSITORY / "build" / "project"
RESULTS = REPOSITORY / "build" / "results"
SOURCE = REPOSITORY / TEMPLATE
PYTHON = sys.executable

ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
# Closing lines: "12 passed, 1 skipped in 0.51s", "Tests  1 failed | 12 passed (13)", "  12 passed (40.1s)".
CLOSING = (
    re.compile(r"^=* ?\d+ \w+.* in \d+\.\d+s.*$"),
    re.compile(r"^\s*Tests\s+\d+ .*$"),
    re.compile(r"^\s+\d+ (?:passed|failed|flaky|skipped|did not run|interrupted)\b[^,]*$"),
)
COUNT = re.compile(r"(\d+) (passed|failed|errors?|flaky|skipped|did not run|interrupted)\b")
GOOD, IGNORED = {"passed"}, {"skipped"}


@dataclass
class Step:
    """One command, and what came of it."""

    group: str
    title: str
    command: list[str]
    folder: Path = REPOSITORY
    has_tests: bool = False
    needed: bool = False  # the steps after it make no sense without it
    environment: dict[str, str] = field(default_factory=dict)
    passed: int = 0
    failed: int = 0
    code: int = 0
    seconds: float = 0.0
    remarks: list[str] = field(default_factory=list)

    def run(self) -> bool:
        """Runs the command with its output shown, counts its tests, and tells whether all is well."""
        print(f"\n===== {self.title} =====", flush=True)
        start = time.monotonic()
        with subprocess.Popen(
            self.command,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={**os.environ, **self.environment},
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                sys.stdout.write(line)
                sys.stdout.flush()
                self._count(ANSI.sub("", line.rstrip()))
        self.code = process.returncode
        self.seconds = time.monotonic() - start
        if self.has_tests and not self.passed and not self.failed:
            self.remarks.append("ran no tests")
        if self.code and not self.failed:
            self.remarks.append(f"exit code {self.code}")
        return not self.code and not self.failed and not self.remarks

    def _count(self, line: str) -> None:
        if not self.has_tests or not any(pattern.match(line) for pattern in CLOSING):
            return
        for number, word in COUNT.findall(line):
            if word in GOOD:
                self.passed += int(number)
            elif word not in IGNORED:
                self.failed += int(number)


# The store, whether people sign in, and which specs (empty: all). In the generated project's own CI it is all of them.
END_TO_END = (
    ("memory", "none", ""),
    ("memory", "jwt", "agents auth components dashboard generation ingest jobs library security"),
    ("dynamo", "none", ""),
    ("dynamo", "jwt", "auth"),
    ("redis", "none", ""),
    ("redis", "jwt", "auth"),
)


def steps() -> list[Step]:
    """Gives all steps in their order."""
    make = ["make", "--no-print-directory", "--keep-going"]
    project = [*make, "-C", str(PROJECT)]
    own = ["hooks", "tests"]

    def pytest(target: str, name: str) -> list[str]:
        return [*project, target, f"PYTEST_ARGS=--junitxml={RESULTS / name}.xml"]

    return [
        Step("lint", "ruff: hooks, tests", [PYTHON, "-m", "ruff", "check", *own]),
        Step("lint", "mypy --strict: hooks, tests", [PYTHON, "-m", "mypy", *own]),
        Step("lint", "ruff and oxlint: the template's sources", [*make, "lint", "VENV=../.venv"], SOURCE),
        Step(
            "lint",
            "mypy --strict and tsc: the template's sources",
            [*make, "typecheck", "VENV=../.venv"],
            SOURCE,
        ),
        # Two at a time: they mostly wait for other programs, and nothing in them is measured.
        Step(
            "bake",
            "bake tests",
            [PYTHON, "-m", "pytest", "-n2", "--dist=worksteal", "-m", "not long", "tests", "--ignore=tests/faults"],
            has_tests=True,
        ),
        Step("project faults e2e", "bake the default project", [PYTHON, "tests/bake.py", str(PROJECT)], needed=True),
        Step("project faults e2e", "install the baked project", [*project, "setup"], needed=True),
        Step("project", "lint of the baked project", [*project, "lint"]),
        Step("project", "types of the baked project", [*project, "typecheck"]),
        Step("project", "vitest of the baked project", [*project, "test-js"], has_tests=True),
        Step("project", "pytest of the baked streamator", pytest("test-streamator", "library"), has_tests=True),
        Step("project", "pytest of the baked backend", pytest("test-backend", "app"), has_tests=True),
        Step("faults", "install dynalite", ["npm", "ci", "--silent", "--prefix", "tests/faults/dynalite"]),
        Step(
            "faults",
            "faults of the baked project",
            [PYTHON, "-m", "pytest", "-n2", "--dist=loadfile", "tests/faults", f"--junitxml={RESULTS / 'servers.xml'}"],
            has_tests=True,
        ),
        *(
            Step(
                "e2e",
                f"end to end, store {store}, sign-in {auth}",
                [
                    *project,
                    "e2e",
                    f"STORE={store}",
                    f"AUTH={auth}",
                    f"SPECS={specs}",
                    "PLAYWRIGHT_ARGS=--reporter=list,junit",
                ],
                has_tests=True,
                environment={"PLAYWRIGHT_JUNIT_OUTPUT_FILE": str(RESULTS / f"page-{store}-{auth}.xml")},
            )
            for store, auth, specs in END_TO_END
        ),
        Step("all", "the table of faults", [PYTHON, "tests/faults/table.py", "--check"]),
    ]


def main() -> int:
    """Runs the steps; 0 when all is well."""
    parser = argparse.ArgumentParser(description="Run all checks of the template.")
    parser.add_argument("--only", choices=["lint", "bake", "project", "faults", "e2e"], help="one group of steps")
    only = parser.parse_args().only
    done: list[Step] = []
    well = True
    if only is None:
        shutil.rmtree(RESULTS, ignore_errors=True)
    RESULTS.mkdir(parents=True, exist_ok=True)
    for step in steps():
        if only is not None and only not in step.group.split():
            continue
        done.append(step)
        if not step.run():
            well = False
            if step.needed:
                break
    print("\n===== summary =====")
    for step in done:
        counts = f"{step.passed} passed, {step.failed} failed" if step.has_tests else ""
        verdict = "FAILED" if step.code or step.failed or step.remarks else "ok"
        print(f"{verdict:<7}{step.seconds:6.0f} s  {step.title:<48}{counts}  {'; '.join(step.remarks)}".rstrip())
    print("all is well" if well else "something failed: see the steps marked FAILED")
    print(f"{sum(step.passed for step in done)} passed, {sum(step.failed for step in done)} failed")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
