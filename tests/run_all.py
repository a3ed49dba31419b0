"""Runs the checks of the template, and ends with the sum of all test results.

    python tests/run_all.py check|test|all [--only lint|bake|project|faults|hosts|e2e|soak]

Three tiers, each with all of the one before; CONTRIBUTING.md says what is in which, and what it takes. Every step runs,
also after one that failed, so that one run shows all there is to repair; the exit code is 1 if any failed. What a step
prints is shown when it ends, and kept in build/results beside what its tests did as JUnit XML, of which the library's
table of faults is made. The last line is `N passed, N failed`, added up from what pytest, vitest and Playwright report
themselves. A step that should run tests and reports none counts as failed.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bake import REPOSITORY, TEMPLATE, keep_bytecode_apart

PROJECT = REPOSITORY / "build" / "project"
RESULTS = REPOSITORY / "build" / "results"
SOURCE = REPOSITORY / TEMPLATE
PYTHON = sys.executable
SOAK = str(REPOSITORY / "build" / "soak-tools" / "bin" / "python")

TIERS = ("check", "test", "all")
# Side by side: mostly Python, mostly the page in a browser, and what hardly needs the processor.
LANES = ("python", "page", "soak")
# Tests of Python that run at a time, most of which wait.
PARALLEL = 3

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
    """One command, and what came of it.

    Arguments:
        tiers: those that it is in.
        lane: which of the lanes runs it.
    """

    group: str
    title: str
    command: Sequence[str]
    tiers: Sequence[str]
    lane: str = "python"
    folder: Path = REPOSITORY
    has_tests: bool = False
    environment: dict[str, str] = field(default_factory=dict)
    passed: int = 0
    failed: int = 0
    code: int = 0
    seconds: float = 0.0
    processor: float = 0.0  # seconds of all cores, with those of its own processes
    remarks: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)  # what it says of it; no failure

    def run(self) -> None:
        """Runs the command, shows what it printed, and counts its tests."""
        start = time.monotonic()
        log = RESULTS / (re.sub(r"\W+", "-", self.title) + ".log")
        with log.open("w") as output:
            process = subprocess.Popen(
                self.command,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.environment},
            )
            _, status, used = os.wait4(process.pid, 0)
            self.code = process.returncode = os.waitstatus_to_exitcode(status)
        self.processor = used.ru_utime + used.ru_stime
        self.seconds = time.monotonic() - start
        printed = log.read_text(errors="replace")
        for line in printed.splitlines():
            self._count(ANSI.sub("", line.rstrip()))
            if line.startswith("not tested"):
                self.left_out.append(line)
        if self.has_tests and not self.passed and not self.failed:
            self.remarks.append("ran no tests")
        if self.code and not self.failed:
            self.remarks.append(f"exit code {self.code}")
        print(f"\n===== {self.title} =====\n{printed}----- {self.verdict}: {self.title}", flush=True)

    @property
    def well(self) -> bool:
        return not self.code and not self.failed and not self.remarks

    @property
    def verdict(self) -> str:
        counts = f", {self.passed} passed, {self.failed} failed" if self.has_tests else ""
        return f"{'ok' if self.well else 'FAILED'} in {self.seconds:.0f} s{counts}"

    def _count(self, line: str) -> None:
        if not self.has_tests or not any(pattern.match(line) for pattern in CLOSING):
            return
        for number, word in COUNT.findall(line):
            if word in GOOD:
                self.passed += int(number)
            elif word not in IGNORED:
                self.failed += int(number)


# One cache: what the backend and these tests import is looked at once.
TYPES = {"MYPY_CACHE_DIR": str(REPOSITORY / "build" / "mypy")}
OWN = ("hooks", "tests", "template_answers.py")

# Which pages, for which store and sign-in, before a release: all of them. What `make test` runs is in the generated
# project's Makefile, E2E_TEST.
END_TO_END = {
    "test": ("memory-none", "dynamo-none", "redis-none", "redis-jwt"),
    "all": tuple(f"{store}-{auth}" for store in ("memory", "dynamo", "redis") for auth in ("none", "jwt")),
}


def steps(tier: str) -> list[Step]:
    """Gives all steps of a tier, those of a lane in their order."""
    make = ["make", "--no-print-directory", "--keep-going", "VENV=../../.venv"]
    project = [*make, "-C", str(PROJECT)]
    in_place = ["make", "--no-print-directory", "--keep-going", "VENV=../.venv"]
    # Where the pages are run on all stores, their lane has them alone.
    beside = "python" if tier == "all" else "page"
    order = [] if tier == "all" else ["-p", "no:randomly"]
    ours = [] if tier == "all" else ["-m", "not long"]

    def pytest(target: str, name: str, *options: str) -> list[str]:
        # On a machine that has just been started, which shows in the clock: see near_zero.py.
        early = [PYTHON, "tests/near_zero.py"] if tier == "all" else []
        more = " ".join([f"--junitxml={RESULTS / name}.xml", *([] if tier == "all" else options)])
        return [*early, *project, target, f"TIER={tier}", f"PYTEST_ARGS={more}"]

    def own(folder: str, *options: str, name: str | None = None) -> list[str]:
        report = [] if name is None else [f"--junitxml={RESULTS / name}.xml"]
        return [PYTHON, "-m", "pytest", f"-n{PARALLEL}", "--dist=worksteal", *order, *ours, *options, folder, *report]

    def pages(run: str) -> list[str]:
        store, auth = run.split("-")
        which = [f"e2e/{run}"] if tier == "test" else ["e2e-run", f"STORE={store}", f"AUTH={auth}"]
        return [*project, *which, "PLAYWRIGHT_ARGS=--reporter=list,junit"]

    every = TIERS
    tested = TIERS[1:]
    found = [
        Step("lint", "ruff: hooks, tests", [PYTHON, "-m", "ruff", "check", *OWN], every),
        Step("lint", "layout: hooks, tests", [PYTHON, "-m", "ruff", "format", "--check", *OWN], every),
        Step(
            "lint",
            "lint and types of Python, where it stands",
            [*in_place, "lint-python", "typecheck-streamator", "typecheck-backend", "typecheck-scripts"],
            every,
            folder=SOURCE,
            environment=TYPES,
        ),
        Step("lint", "mypy --strict: hooks, tests", [PYTHON, "-m", "mypy", *OWN], every, environment=TYPES),
        Step(
            "lint",
            "lint and types of TypeScript, where it stands",
            [*in_place, "lint-js", "typecheck-js", "typecheck-schema"],
            every,
            beside,
            folder=SOURCE,
        ),
        Step("project", "lint of the baked project", [*project, "lint"], every),
        Step("project", "vitest of the baked project", [*project, "test-js"], every, beside, has_tests=True),
        Step(
            "project",
            "pytest of the baked backend",
            pytest("test-backend", "app"),
            every,
            has_tests=True,
            environment={"FUZZ_EXAMPLES": "40"} if tier == "all" else {},
        ),
        Step(
            "project",
            "pytest of the baked streamator",
            # tests/faults has them too, on another server for DynamoDB.
            pytest("test-streamator", "library", "--deselect=tests/test_contract_dynamo.py::TestDynamoFaults"),
            every,
            has_tests=True,
            environment={"FUZZ_EXAMPLES": "300"} if tier == "all" else {},
        ),
        Step(
            "bake",
            "bake tests",
            own("tests", "--ignore=tests/faults", "--ignore=tests/hosts"),
            tested,
            has_tests=True,
        ),
        Step(
            "hosts",
            "workers and servers that the libraries run in",
            own("tests/hosts"),
            tested,
            has_tests=True,
        ),
        *(
            Step(
                "e2e",
                f"end to end, {run}",
                pages(run),
                tested,
                "page",
                has_tests=True,
                environment={"PLAYWRIGHT_JUNIT_OUTPUT_FILE": str(RESULTS / f"page-{run}.xml")},
            )
            for run in END_TO_END.get(tier, ())
        ),
        Step("e2e", "the page in three browsers", [*project, "e2e-engines"], tested[1:], "page", has_tests=True),
        Step("faults", "install dynalite", ["npm", "ci", "--silent", "--prefix", "tests/faults/dynalite"], tested),
        Step("faults", "faults of the baked project", own("tests/faults", name="servers"), tested, has_tests=True),
        *(
            Step(
                "soak",
                f"two minutes of load and faults, {store}",
                [SOAK, "-m", "soak", "--store", store, "--minutes", "2", "--rest", "0", "--python", PYTHON],
                tested[1:],
                "soak",
                environment={"PYTHONPATH": "tests"},
            )
            for store in ("memory", "dynamo", "redis")
        ),
        Step(
            "soak",
            "two minutes of workers that are killed",
            [SOAK, "-m", "soak", "--store", "redis", "--workers", "redis", "--minutes", "2", "--python", PYTHON],
            tested[1:],
            "soak",
            environment={"PYTHONPATH": "tests"},
        ),
        # Which schedules is for chance to say; a seed that fails is printed.
        Step(
            "soak",
            "new schedules for the model",
            [PYTHON, "-m", "pytest", "-p", "no:randomly", "tests/test_model.py", "tests/test_model_attempts.py"],
            tested[1:],
            folder=PROJECT / "libs" / "streamator",
            has_tests=True,
            environment={"MODEL_EXAMPLES": "75"},
        ),
    ]
    return [step for step in found if tier in step.tiers]


def main() -> int:
    """Runs the steps; 0 when all is well."""
    parser = argparse.ArgumentParser(description="Run the checks of the template.")
    parser.add_argument("tier", choices=TIERS)
    parser.add_argument("--only", help="one group of steps: lint, bake, project, faults, hosts, e2e, soak")
    options = parser.parse_args()
    whole = options.only is None
    chosen = [step for step in steps(options.tier) if whole or step.group == options.only]
    if not chosen:
        parser.error(f"--only {options.only}: no step of {options.tier} is in a group of that name")
    if whole:
        shutil.rmtree(RESULTS, ignore_errors=True)
    RESULTS.mkdir(parents=True, exist_ok=True)
    keep_bytecode_apart()
    start = time.monotonic()

    def run(lane: str) -> None:
        for step in chosen:
            if step.lane == lane:
                step.run()

    lanes = [threading.Thread(target=run, args=(lane,)) for lane in LANES]
    for thread in lanes:
        thread.start()
    for thread in lanes:
        thread.join()
    if whole and options.tier == "all":
        # Made of what all the others reported.
        chosen.append(Step("all", "the table of faults", [PYTHON, "tests/faults/table.py", "--check"], TIERS))
        chosen[-1].run()

    print(f"\n===== make {options.tier.replace('all', 'test-all')}: {time.monotonic() - start:.0f} s =====")
    for step in chosen:
        counts = f"{step.passed} passed, {step.failed} failed" if step.has_tests else ""
        took = f"{step.seconds:6.0f} s {step.processor:6.0f} s of processor"
        verdict = "ok" if step.well else "FAILED"
        print(f"{verdict:<7}{took}  {step.title:<48}{counts}  {'; '.join(step.remarks + step.left_out)}".rstrip())
    well = all(step.well for step in chosen)
    print("all is well" if well else "something failed: see the steps marked FAILED")
    print(f"{sum(step.passed for step in chosen)} passed, {sum(step.failed for step in chosen)} failed")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
