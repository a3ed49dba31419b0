"""`FileStore`: the contracts, the files it leaves, and what it says of a bad folder or file."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from store_faults import FaultContract

from streamator import FileStore, InvalidStore, JobLogger, StoreError, open_store
from streamator.testing import StoreContract, collect
from streamator.testing.base import messages, run


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Callable[..., FileStore]]:
    """Makes stores on one folder. Each is as another process would have it."""
    made: list[FileStore] = []

    def make(**options: Any) -> FileStore:
        made.append(FileStore(tmp_path, **{"lease_seconds": 0.6, **options}))
        return made[-1]

    yield make
    for store in made:
        store.close()


def until(condition: Callable[[], Any]) -> Any:
    end = time.monotonic() + 15
    while not (value := condition()):
        assert time.monotonic() < end, "the condition was never met"
        time.sleep(0.005)
    return value


class TestFileStoreContract(StoreContract, FaultContract):
    timeout = 30.0

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[FileStore]:
        self.folder = tmp_path
        store = self.reader()
        yield store
        store.close()

    def reader(self) -> FileStore:
        return FileStore(self.folder, lease_seconds=1.5)


def test_line_n_of_the_file_is_event_n(stores: Callable[..., FileStore], tmp_path: Path) -> None:
    with JobLogger(stores(), job_id="job") as job:
        job.log("first")
        job.log("größer\n", level="error")
    text = (tmp_path / "job.jsonl").read_text(encoding="utf-8")
    events = [json.loads(line) for line in text.splitlines()]
    assert text.endswith("\n")
    assert [event["event"] for event in events] == ["log", "log", "done"]
    assert events == run(collect(stores(), "job"))


def test_lost_events_are_a_gap_to_readers_and_keep_their_lines(
    stores: Callable[..., FileStore], tmp_path: Path
) -> None:
    store = stores(maxlen=10, flush_seconds=0.3)
    with JobLogger(store, job_id="job") as job:
        job.log("first")
        assert job.flush()
        for n in range(300):
            job.log(str(n))
    lines = (tmp_path / "job.jsonl").read_text().splitlines()
    assert len(lines) == 302 and json.loads(lines[0])["message"] == "first"
    first, gap, *rest = run(collect(stores(), "job"))
    assert first["message"] == "first" and gap == {"event": "gap", "missed": 301 - len(rest)}
    assert [json.loads(line) for line in lines[-len(rest) :]] == rest


def test_an_id_that_has_a_file_is_another_runs(
    stores: Callable[..., FileStore], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    JobLogger(stores(), job_id="job").close()
    before = (tmp_path / "job.jsonl").read_bytes()
    with JobLogger(stores(), job_id="job") as job:
        job.log("mine")
    assert (tmp_path / "job.jsonl").read_bytes() == before
    assert "the job id 'job' was used by another run" in caplog.text


def test_a_torn_last_line_is_left_out_and_the_next_write_removes_it(
    stores: Callable[..., FileStore], tmp_path: Path
) -> None:
    path = tmp_path / "job.jsonl"
    job = JobLogger(stores(), job_id="job")
    job.log("first")
    assert job.flush()
    with path.open("a") as file:
        file.write('{"event":"log","mess')
    reader = stores()
    log = until(lambda: run(reader.find("job")))
    assert log.last == 1 and log.status != "lost"
    job.log("second")
    job.close()
    assert messages(run(collect(reader, "job"))) == ["first", "second"]
    assert len(path.read_text().splitlines()) == 3


def test_a_file_that_is_cut_or_deleted_is_written_again(
    stores: Callable[..., FileStore], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "job.jsonl"
    job = JobLogger(stores(), job_id="job")
    job.log("0")
    assert job.flush()
    path.write_text("")
    job.log("1")
    assert job.flush()
    path.unlink()
    job.log("2")
    job.close()
    assert messages([json.loads(line) for line in path.read_text().splitlines()]) == ["0", "1", "2"]
    assert caplog.text.count("the store has lost") == 2


def test_a_killed_process_is_lost_and_what_it_flushed_is_there(
    stores: Callable[..., FileStore], tmp_path: Path
) -> None:
    code = (
        "import sys, time; from streamator import FileStore, JobLogger\n"
        "job = JobLogger(FileStore(sys.argv[1], lease_seconds=0.6), job_id='job')\n"
        "job.log('kept'); job.flush(); print('stored', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"stored\n"
        reader = stores()
        log = run(reader.find("job"))
        assert log is not None and log.last == 1
        time.sleep(1.5)
        assert log.status != "lost", "it has nothing to say, and lives"
        process.send_signal(signal.SIGKILL)

    def is_lost() -> bool:
        found = run(reader.find("job"))
        return found is not None and found.status == "lost"

    until(is_lost)


def test_a_file_that_holds_no_events_is_left_alone(stores: Callable[..., FileStore], tmp_path: Path) -> None:
    path = tmp_path / "notes.jsonl"
    path.write_text("buy milk\n")
    with pytest.raises(StoreError, match=r"notes\.jsonl holds no events: move it away"):
        run(stores().find("notes"))
    JobLogger(stores(), job_id="notes").close()
    assert path.read_text() == "buy milk\n"


@pytest.mark.parametrize("folder", ["a-file", "a-file/below", 7])
def test_a_folder_that_cannot_be_written_is_said_at_once(folder: Any, tmp_path: Path) -> None:
    (tmp_path / "a-file").write_text("")
    with pytest.raises(InvalidStore, match="file store: folder is .*: give the path of a folder"):
        open_store("file", folder=folder if folder == 7 else tmp_path / folder)


def test_a_folder_that_vanishes_holds_up_nobody_and_comes_back(
    stores: Callable[..., FileStore], tmp_path: Path
) -> None:
    folder = tmp_path / "logs"
    store = FileStore(folder, close_seconds=0.2)
    folder.rmdir()
    job = JobLogger(store, job_id="job")
    job.log("x")
    assert not job.flush(0.2)
    assert "writing fails" in until(lambda: store.degraded) and "No such file" in (store.degraded or "")
    os.mkdir(folder)
    job.close()
    assert messages(run(collect(FileStore(folder), "job"))) == ["x"]
    store.close()


def test_open_store_knows_it_by_its_name(tmp_path: Path) -> None:
    store = open_store("file", folder=tmp_path / "made" / "for-it")
    assert isinstance(store, FileStore) and (tmp_path / "made" / "for-it").is_dir()
    with pytest.raises(InvalidStore, match="do not fit the file store: .*folder"):
        open_store("file")
