"""The measures that anyone can run on files of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from bake import REPOSITORY
from tests.pdf import make_pdf

BACKEND = REPOSITORY / "<<cookiecutter.project_slug>>" / "backend"


def read(folder: Path) -> tuple[int, dict[str, object]]:
    """The exit code and the figures of the readers' benchmark for a folder."""
    command = [sys.executable, str(REPOSITORY / "tests" / "benchmarks" / "readers.py"), str(folder)]
    done = subprocess.run(command, cwd=BACKEND, env={"PYTHONPATH": str(BACKEND)}, capture_output=True, timeout=120)
    return done.returncode, json.loads(done.stdout)


def test_readers_are_measured_on_a_folder_of_files(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(make_pdf(["Some words of a page.", "And of another."]))
    (tmp_path / "b.pdf").write_bytes(b"%PDF-1.7 and nothing else")
    (tmp_path / "c.html").write_text("<html><body><p>Some words of a page, and more of them.</p></body></html>")
    (tmp_path / "d.txt").write_text("no matter")
    code, figures = read(tmp_path)
    assert {name: figures[name] for name in ("files", "read", "refused", "crashed", "garbage", "agreement")} == {
        "files": 3, "read": 2, "refused": 1, "crashed": {}, "garbage": {}, "agreement": 1.0,
    }  # fmt: skip
    assert code == 0


def test_garbage_without_a_warning_fails_the_measure(tmp_path: Path) -> None:
    page = "<p>Some words of a page, and more \ufffd\ufffd of them.</p>"
    (tmp_path / "c.html").write_text(f"<html><head><meta charset=utf-8></head><body>{page}</body></html>")
    code, figures = read(tmp_path)
    assert (code, list(figures["garbage"])) == (1, [str(tmp_path / "c.html")])  # type: ignore[call-overload]
