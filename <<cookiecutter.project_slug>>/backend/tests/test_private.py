"""What the server keeps is its user's alone."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.private import keep_private
from app.settings import Settings
from tests.support import RunningApp


@pytest.fixture(autouse=True)
def _an_open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def open_to_others(root: Path) -> list[str]:
    """What in a folder, itself included, others can do anything with."""
    paths = [root, *root.rglob("*")]
    return [f"{path.name} {stat.S_IMODE(path.stat().st_mode):04o}" for path in paths if path.stat().st_mode & 0o077]


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
def test_all_that_the_app_keeps_is_its_users_alone_whatever_the_umask(
    run_app: Callable[..., RunningApp], settings: Callable[..., Settings]
) -> None:
    running = run_app(auth="none")
    running.client.post("/api/ingest", files={"file": ("a.txt", b"Some words.")})
    kept = settings().data_dir
    assert {"app.db", "app.db-wal", "app.db-shm"} <= {path.name for path in kept.iterdir()}
    assert open_to_others(kept) == []
    running.stop()
    assert os.umask(0) == 0, "the program around it has its own again"


def test_what_was_open_is_closed_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data, outside = tmp_path / "data", tmp_path / "outside"
    (data / "archive" / "ab").mkdir(parents=True)
    outside.write_text("not ours")
    for name in ("app.db", "archive/ab/original"):
        (data / name).write_text("x")
    (data / "link").symlink_to(outside)
    (data / "archive").chmod(0o2755)
    assert open_to_others(data)
    with caplog.at_level(logging.WARNING):
        assert keep_private(data) == 0
    assert [path for path in open_to_others(data) if not path.startswith("link")] == []
    assert stat.S_IMODE(outside.stat().st_mode) == 0o666, "what a link leads to is left alone"
    assert "it is closed to them" in caplog.text
    caplog.clear()
    keep_private(data)
    assert caplog.text == ""
    (data / "app.db").chmod(0o644)  # in a folder that was closed
    keep_private(data)
    assert stat.S_IMODE((data / "app.db").stat().st_mode) == 0o600


def test_what_cannot_be_closed_is_said_and_the_server_starts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()

    def refuse(self: Path, mode: int) -> None:
        raise PermissionError(1, "Operation not permitted", str(self))

    monkeypatch.setattr(Path, "chmod", refuse)
    keep_private(tmp_path / "data")
    assert "others can read what is in DATA_DIR" in caplog.text
    assert "chmod -R go=" in caplog.text
