"""Looks for known vulnerabilities in what the project is made of, as pip-audit and npm know them; see `make audit`.

    python scripts/audit.py PIP_AUDIT

Both ask a service in the network about the versions that are pinned: in backend/constraints.txt and in the npm locks.
The exit code is 0 where none is known to be vulnerable, 1 where one is, and 2 where nobody could be asked: not knowing
is not being safe.

Only the standard library is used.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PINS = ROOT / "backend" / "constraints.txt"
LOCKS = (ROOT, ROOT / "scripts" / "types")
TIMEOUT_S = 300


class NotKnown(Exception):
    """There is no answer; the text says what there is in its place."""


def of_python(report: dict[str, Any]) -> list[str]:
    """What pip-audit has found, a line for each vulnerability.

    Raises:
        NotKnown: nothing, but it was not told about all packages, which it takes for a success.
    """
    packages = report["dependencies"]
    found = [
        f"{package['name']} {package['version']}: {each['id']}, {fix(each['fix_versions'])}"
        for package in packages
        for each in package.get("vulns", [])
    ]
    skipped = [package["skip_reason"] for package in packages if "skip_reason" in package]
    if skipped and not found:
        raise NotKnown(f"nothing is known of {len(skipped)} of {len(packages)} packages: {skipped[0]}")
    return found


def of_npm(report: dict[str, Any]) -> list[str]:
    """What npm has found, a line for each vulnerable package.

    Raises:
        NotKnown: it could not ask.
    """
    if "error" in report:
        raise NotKnown(report.get("message") or report["error"])
    return [
        f"{name} {package['range']}: {package['severity']}, {titles(package['via'])}"
        for name, package in report["vulnerabilities"].items()
    ]


def fix(versions: Sequence[str]) -> str:
    return f"fixed in {' and '.join(versions)}" if versions else "not fixed yet"


def titles(via: Sequence[dict[str, Any] | str]) -> str:
    """Why npm names a package: what is known of it, or of the packages that it brings."""
    return "; ".join(each if isinstance(each, str) else each["title"] for each in via)


def ask(command: Sequence[str], read: Callable[[dict[str, Any]], list[str]]) -> list[str]:
    """Runs a program that reports as JSON. Its exit code tells no failure from a finding: the report does.

    Raises:
        NotKnown: it gave no report.
    """
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, cwd=ROOT)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotKnown(str(error)) from error
    try:
        return read(json.loads(result.stdout))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        said = (result.stderr.strip() or result.stdout.strip() or "nothing").splitlines()
        raise NotKnown(f"exit code {result.returncode}, and it said: {said[-1][:300]}") from error


def main(pip_audit: str) -> int:
    """Asks for all, and prints what is known; gives the exit code."""
    python = [pip_audit, "--requirement", str(PINS), "--no-deps", "--disable-pip", "--format", "json"]
    audits: list[tuple[str, Sequence[str], Callable[[dict[str, Any]], list[str]]]] = [
        (str(PINS.relative_to(ROOT)), [*python, "--progress-spinner", "off"], of_python)
    ]
    for folder in LOCKS:
        npm = ["npm", "audit", "--json", "--package-lock-only", "--prefix", str(folder)]
        audits.append((str((folder / "package-lock.json").relative_to(ROOT)), npm, of_npm))
    codes = set()
    for name, command, read in audits:
        try:
            found = ask(command, read)
        except NotKnown as error:
            print(f"{name}: it is not known whether anything is vulnerable. {command[0]}: {error}", file=sys.stderr)
            print("    Its data comes from the network: run this again where there is one.", file=sys.stderr)
            codes.add(2)
            continue
        print(f"{name}: {len(found) or 'nothing'} known to be vulnerable")
        for line in found:
            print(f"    {line}")
        codes.add(1 if found else 0)
    return 1 if 1 in codes else max(codes)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
