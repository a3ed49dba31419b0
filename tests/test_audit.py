"""`scripts/audit.py` tells what is vulnerable, what is not, and what it could not find out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from bake import TEMPLATE

PIP_WELL = json.dumps({"dependencies": [{"name": "flask", "version": "3.1.3", "vulns": []}], "fixes": []})
PIP_FOUND = json.dumps(
    {
        "dependencies": [
            {"name": "flask", "version": "0.5", "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.0", "2.0"]}]},
            {"name": "lxml", "version": "1.0", "vulns": [{"id": "PYSEC-2", "fix_versions": []}]},
            {"name": "app", "skip_reason": "a network error: no such package"},
        ]
    }
)
NPM_WELL = json.dumps({"auditReportVersion": 2, "vulnerabilities": {}})
NPM_FOUND = json.dumps(
    {
        "vulnerabilities": {
            "left": {"severity": "high", "range": "<2", "via": [{"title": "It pads too far"}, "right"]},
        }
    }
)
PIP_AWAY = json.dumps({"dependencies": [{"name": "flask", "skip_reason": "a network error: Flask was not found"}]})
NPM_AWAY = json.dumps({"message": "a network error: 405", "error": {"summary": ""}})


@pytest.fixture
def audit(template: Path, tmp_path: Path) -> Path:
    script = tmp_path / "project" / "scripts" / "audit.py"
    script.parent.mkdir(parents=True)
    script.write_bytes((template / TEMPLATE / "scripts" / "audit.py").read_bytes())
    return script


def run(audit: Path, pip: str, npm: str, code: int = 1) -> subprocess.CompletedProcess[str]:
    """Runs it with programs that print this; they end with 1 both where they find something and where they fail."""
    programs = audit.parent.parent / "bin"
    programs.mkdir()
    for name, output in (("pip-audit", pip), ("npm", npm)):
        program = programs / name
        program.write_text(f"#!/bin/sh\necho 'a network error' >&2\ncat {program}.out\nexit {code}\n")
        program.with_suffix(".out").write_text(output)
        program.chmod(0o755)
    environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
    command = [sys.executable, str(audit), str(programs / "pip-audit")]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)


def test_all_is_well_where_both_have_looked_and_found_nothing(audit: Path) -> None:
    result = run(audit, PIP_WELL, NPM_WELL, code=0)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "backend/constraints.txt: nothing known to be vulnerable",
        "package-lock.json: nothing known to be vulnerable",
        "scripts/types/package-lock.json: nothing known to be vulnerable",
    ]


def test_what_is_vulnerable_is_named_with_the_fix(audit: Path) -> None:
    result = run(audit, PIP_FOUND, NPM_FOUND)
    assert result.returncode == 1
    assert "backend/constraints.txt: 2 known to be vulnerable" in result.stdout
    assert "    flask 0.5: PYSEC-1, fixed in 1.0 and 2.0" in result.stdout
    assert "    lxml 1.0: PYSEC-2, not fixed yet" in result.stdout
    assert "    left <2: high, It pads too far; right" in result.stdout


@pytest.mark.parametrize(
    ("pip", "npm"), [("", NPM_WELL), (PIP_AWAY, NPM_WELL), (PIP_WELL, NPM_AWAY), ("[]", ""), ("null", "{}")]
)
def test_where_nobody_can_be_asked_it_is_said_and_is_no_success(audit: Path, pip: str, npm: str) -> None:
    result = run(audit, pip, npm)
    assert result.returncode == 2
    assert "it is not known whether anything is vulnerable" in result.stderr
    assert "a network error" in result.stderr
    assert "run this again where there is one" in result.stderr


def test_a_finding_counts_also_where_the_other_cannot_be_asked(audit: Path) -> None:
    assert run(audit, PIP_FOUND, NPM_AWAY).returncode == 1
