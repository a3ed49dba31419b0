"""Events that a store refuses for good: the rest of the log goes on, and they are kept, printed and replayed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import random
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from cloud import Cloud, CloudStore
from dynamo_server import Proxy, error, moto
from redis_server import RedisServer

from streamator import DynamoStore, JobEmitter, JobLogger, RedisStore
from streamator.deadletter import DeadLetterFile, default_path
from streamator.stores.chunks.format import Chunk
from streamator.stores.records.format import Append
from streamator.stores.records.writer import StreamWriter
from streamator.stores.remote.deadletters import make_letter
from streamator.stores.remote.faults import StoreFault
from streamator.stores.remote.store import RemoteStore
from streamator.testing import collect

GAP = {"event": "gap", "missed": 1}
PATIENCE = 30.0

Letters = list[dict[str, Any]]


def until(condition: Callable[[], Any], timeout: float = 15) -> Any:
    end = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < end, "the condition was never met"
        time.sleep(0.01)
    return value


def seen(store: RemoteStore, job_id: str) -> list[Any]:
    """What a viewer sees: the messages, and the events that are none; a gap of two as two gaps."""
    events = asyncio.run(collect(store, job_id, timeout=PATIENCE))
    return [each for event in events[:-1] for each in [event.get("message") or GAP] * event.get("missed", 1)]


def lines_of(path: Path) -> Letters:
    return [json.loads(line) for line in path.read_bytes().split(b"\n") if line]


@contextlib.contextmanager
def closing(*stores: RemoteStore) -> Iterator[None]:
    try:
        yield
    finally:
        for store in stores:
            store.close()


# What becomes of the log: a store that keeps chunks


def refuses(*words: str) -> Callable[[str, int, Chunk], None]:
    def check(job_id: str, index: int, chunk: Chunk) -> None:
        for word in words:
            if word in chunk.text:
                raise StoreFault("refused", f"no {word} here")

    return check


@pytest.mark.parametrize("place", [0, 1, 700, 1_499])
def test_a_refused_event_is_a_gap_elsewhere_and_the_rest_is_stored(place: int) -> None:
    cloud, letters = Cloud(), Letters()
    cloud.on_write = refuses("poison")
    store, other = CloudStore(cloud, dead_letters=letters.append), CloudStore(cloud)
    texts = [f"line {n}" for n in range(1_500)]
    texts[place] = "poison"
    with closing(store, other):
        with JobLogger(store, job_id="job") as job:
            for text in texts:
                job.log(text)
        assert store.flush(PATIENCE) == 0
        assert seen(other, "job") == [*texts[:place], GAP, *texts[place + 1 :]]
        assert seen(store, "job") == texts
        assert store.degraded is None
    (letter,) = letters
    assert letter["event"].pop("t") >= 0
    assert letter.pop("time").endswith("Z")
    assert letter == {
        "store": "cloud", "job_id": "job", "id": place + 1, "reason": "no poison here",
        "event": {"event": "log", "message": "poison", "level": "info"},
    }  # fmt: skip


def test_an_event_of_many_chunks_is_refused_as_a_whole() -> None:
    cloud, letters = Cloud(), Letters()
    store, other = CloudStore(cloud, dead_letters=letters.append), CloudStore(cloud)
    cloud.on_write = refuses("poison")
    long = "x" * 60_000 + "poison"
    with closing(store, other):
        with JobLogger(store, job_id="job") as job:
            for text in ("before", long, "after"):
                job.log(text)
        assert store.flush(PATIENCE) == 0
        assert seen(other, "job") == ["before", GAP, "after"]
    assert [letter["event"]["message"] for letter in letters] == [long]


def test_an_event_refused_in_a_tail_spoils_no_stored_line() -> None:
    cloud, letters = Cloud(), Letters()
    cloud.on_write = refuses("poison")
    store, other = CloudStore(cloud, dead_letters=letters.append), CloudStore(cloud)
    with closing(store, other):
        job = JobLogger(store, job_id="job")
        for text in ("one", "poison", "two", "poison", "poison", "three"):
            job.log(text)
            assert store.flush(PATIENCE) == 0
        job.close()
        assert seen(other, "job") == ["one", GAP, "two", GAP, GAP, "three"]
    assert [letter["id"] for letter in letters] == [2, 4, 5]


def test_all_other_events_arrive_whatever_is_refused_or_fails() -> None:
    cloud, letters = Cloud(), Letters()
    seed = random.randrange(10**6)
    print("seed", seed)
    chance = random.Random(seed)

    def check(job_id: str, index: int, chunk: Chunk) -> None:
        if len(cloud.writes) in (40, 100):
            cloud.lose_everything()
        if chance.random() < 0.1:
            raise StoreFault(chance.choice(["busy", "down"]), "out of order")
        refuses("!")(job_id, index, chunk)  # one character: no chunk ends within it

    cloud.on_write = check
    store, other = CloudStore(cloud, dead_letters=letters.append), CloudStore(cloud)
    texts = [f"line {n} " + "x" * chance.choice([0, 0, 0, 200, 3_000]) for n in range(300)]
    for n in chance.sample(range(300), 10):
        texts[n] += "!" + "y" * chance.choice([0, 3_000, 40_000])
    with closing(store, other):
        with JobLogger(store, job_id="job") as job:
            for n, text in enumerate(texts):
                job.log(text)
                if n % 50 == 0:
                    time.sleep(0.02)
        assert store.flush(PATIENCE) == 0
        assert seen(other, "job") == [GAP if "!" in text else text for text in texts]
    assert [letter["event"]["message"] for letter in letters] == [text for text in texts if "!" in text]


def test_no_event_is_given_up_when_its_gap_is_refused_too() -> None:
    cloud, letters = Cloud(), Letters()

    def closed(job_id: str, index: int, chunk: Chunk) -> None:
        raise StoreFault("refused", "the key has another form")

    cloud.on_write = closed
    store, other = CloudStore(cloud, dead_letters=letters.append), CloudStore(cloud)
    texts = [f"line {n}" for n in range(100)]
    with closing(store, other):
        job = JobLogger(store, job_id="job")
        for text in texts:
            job.log(text)
        assert "the key has another form" in until(lambda: store.degraded)
        cloud.on_write = lambda job_id, index, chunk: None
        job.close()
        assert store.flush(PATIENCE) == 0
        assert seen(other, "job") == texts
    assert letters == []


def test_the_end_of_a_log_is_never_given_up() -> None:
    cloud, letters = Cloud(), Letters()
    cloud.on_write = refuses('"done"')
    store, other = CloudStore(cloud, dead_letters=letters.append), CloudStore(cloud)
    with closing(store, other):
        with JobLogger(store, job_id="job") as job:
            job.log("one")
        until(lambda: store.degraded)
        cloud.on_write = lambda job_id, index, chunk: None
        assert store.flush(PATIENCE) == 0
        assert seen(other, "job") == ["one"]
    assert letters == []


def test_a_log_that_is_written_again_makes_no_second_dead_letter() -> None:
    cloud, letters = Cloud(), Letters()
    cloud.on_write = refuses("poison")
    store, other = CloudStore(cloud, dead_letters=letters.append), CloudStore(cloud)
    with closing(store, other):
        job = JobLogger(store, job_id="job")
        for text in ("one", "poison", "two"):
            job.log(text)
        assert store.flush(PATIENCE) == 0
        cloud.lose_everything()
        job.close()
        assert store.flush(PATIENCE) == 0
        assert seen(other, "job") == ["one", GAP, "two"]
    assert len(letters) == 1


def test_a_letter_that_cannot_be_written_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    def broken(letter: dict[str, Any]) -> None:
        raise ZeroDivisionError("the function is broken")

    cloud = Cloud()
    cloud.on_write = refuses("poison")
    store, other = CloudStore(cloud, dead_letters=broken), CloudStore(cloud)
    with closing(store, other), caplog.at_level(logging.WARNING, "streamator"):
        with JobLogger(store, job_id="job") as job:
            for text in ("one", "poison", "poison", "two"):
                job.log(text)
        assert store.flush(PATIENCE) == 0
        assert seen(other, "job") == ["one", GAP, GAP, "two"]
    told = [record.getMessage() for record in caplog.records]
    assert len([text for text in told if "event 2 of job 'job' is refused for good" in text]) == 1
    assert len([text for text in told if "the function is broken" in text]) == 1
    assert len(told) == 2


def test_by_default_letters_go_to_the_state_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    cloud = Cloud()
    cloud.on_write = refuses("poison")
    store = CloudStore(cloud)
    with closing(store), JobEmitter(store, job_id="job") as job:
        job.emit({"event": "progress", "poison": 1})
    (letter,) = lines_of(tmp_path / "streamator" / "dead-letters.jsonl")
    assert (letter["job_id"], letter["id"], letter["event"]["poison"]) == ("job", 1, 1)
    monkeypatch.setenv("XDG_STATE_HOME", "relative/paths/do/not/count")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_path() == tmp_path / ".local" / "state" / "streamator" / "dead-letters.jsonl"


# A store that appends


class Streams:
    """Takes appends, but those with ``poison`` in them."""

    def __init__(self) -> None:
        self.events: dict[str, dict[int, bytes]] = {}
        self.calls = 0
        self.fails = 0.0
        self.refuses: Callable[[Append], bool] = lambda append: any(b"poison" in text for _, text in append.events)

    def append(self, appends: Sequence[Append]) -> list[int | StoreFault]:
        self.calls += 1
        if random.random() < self.fails:
            raise StoreFault("down", "out of order")
        return [self._append(append) for append in appends]

    def _append(self, append: Append) -> int | StoreFault:
        if self.refuses(append):
            return StoreFault("refused", "no poison here")
        stored = self.events.setdefault(append.job_id, {})
        last = max(stored, default=0)
        if last < append.after:
            return last
        stored.update(append.events)
        return max(stored, default=0)

    def beat(self, beat: int) -> bool:
        return True

    def close(self) -> None:
        pass

    def texts(self, job_id: str) -> list[Any]:
        events = [json.loads(text) for _, text in sorted(self.events[job_id].items())]
        return [event.get("message", event) for event in events if event["event"] != "done"]


@pytest.fixture
def streams() -> Streams:
    return Streams()


def write(streams: Streams, letters: Letters, jobs: dict[str, list[str]]) -> StreamWriter:
    options = {"lease": 1.0, "flush_seconds": 0.005, "close_seconds": 1.0, "ttl_seconds": 60.0, "max_jobs": 100}
    writer = StreamWriter("streams", streams, dead_letters=letters.append, **options)
    for job_id, texts in jobs.items():
        job = JobLogger(job_id=job_id)
        writer.add(job_id, job._log)
        for text in texts:
            job.log(text)
        job.close()
    return writer


@pytest.mark.parametrize("fails", [0.0, 0.3])
def test_refused_appends_are_split_down_to_one_event(streams: Streams, fails: float) -> None:
    letters = Letters()
    streams.fails = fails
    name, other = uuid.uuid4().hex, uuid.uuid4().hex
    texts = [f"line {n}" for n in range(3_000)]
    for n in (0, 1, 700, 2_999):
        texts[n] = f"poison {n}"
    jobs = {name: texts, other: [f"line {n}" for n in range(100)]}
    writer = write(streams, letters, jobs)
    assert writer.flush(PATIENCE) == 0
    assert streams.texts(name) == [GAP if "poison" in text else text for text in texts]
    assert streams.texts(other) == jobs[other]
    assert [letter["event"]["message"] for letter in letters] == [text for text in texts if "poison" in text]
    if not fails:
        assert streams.calls < 150
    writer.stop(1)


def test_appends_that_are_too_large_are_split_and_nothing_is_given_up(streams: Streams) -> None:
    letters, name = Letters(), uuid.uuid4().hex
    streams.refuses = lambda append: sum(len(text) for _, text in append.events) > 10_000
    texts = [f"line {n} " + "x" * (n % 1_000) for n in range(500)]
    writer = write(streams, letters, {name: texts})
    assert writer.flush(PATIENCE) == 0
    assert streams.texts(name) == texts and letters == []
    writer.stop(1)


def test_a_store_that_refuses_the_gap_too_is_degraded(streams: Streams) -> None:
    letters, name = Letters(), uuid.uuid4().hex
    refuses, streams.refuses = streams.refuses, lambda append: True
    writer = write(streams, letters, {name: ["one", "two"]})
    assert "no poison here; 3 events of 1 job waiting" in until(lambda: writer.degraded)
    streams.refuses = refuses
    assert writer.flush(PATIENCE) == 0
    assert streams.texts(name) == ["one", "two"] and letters == []
    writer.stop(1)


# Redis, on a real server


@contextlib.contextmanager
def redis_store(url: str, **options: Any) -> Iterator[RedisStore]:
    store = RedisStore(url, lease_seconds=2, close_seconds=1, **options)
    with closing(store):
        yield store


def test_redis_closes_the_connection_on_a_large_event_and_other_jobs_go_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    letters = Letters()
    with RedisServer("--proto-max-bulk-len", "1mb") as server, redis_store(server.url) as other:
        with redis_store(server.url, dead_letters=letters.append) as store:
            beside = JobLogger(store, job_id="beside")
            job = JobLogger(store, job_id="job")
            beside.log("before")
            job.log("before")
            # No more than a logger lets through fits a bulk of 1 MB, which is the least that Redis can be set to.
            job._log.append_json(json.dumps({"event": "large", "data": "x" * 3_000_000}))
            for text in ("one", "two"):
                job.log(text)
                beside.log(text)
            began = time.monotonic()
            assert store.flush(PATIENCE) == 0
            assert time.monotonic() - began < 5
            job.close()
            beside.close()
            assert store.degraded is None
        assert seen(other, "job") == ["before", GAP, "one", "two"]
        assert seen(other, "beside") == ["before", "one", "two"]
    assert [(letter["id"], len(letter["event"]["data"])) for letter in letters] == [(2, 3_000_000)]
    assert "closes the connection" in letters[0]["reason"]
    assert not any("writing fails" in record.getMessage() for record in caplog.records)


def test_redis_out_of_memory_or_without_rights_makes_no_dead_letters() -> None:
    letters = Letters()
    with RedisServer() as server, redis_store(server.url, dead_letters=letters.append) as store:
        with JobLogger(store, job_id="job") as job:
            job.log("one")
            assert store.flush(PATIENCE) == 0
            server.client.config_set("maxmemory", "1")
            job.log("two")
            until(lambda: "out of memory" in (store.degraded or ""))
            server.client.config_set("maxmemory", "0")
            assert store.flush(PATIENCE) == 0
            for rule in ("-eval", "-xadd"):
                server.client.acl_setuser("default", enabled=True, commands=[rule])
                job.log(f"without {rule}")
                until(lambda: store.degraded)
                server.client.acl_setuser("default", enabled=True, commands=["+eval", "+xadd"])
                assert store.flush(PATIENCE) == 0
        assert store.flush(PATIENCE) == 0
        with redis_store(server.url) as other:
            assert seen(other, "job") == ["one", "two", "without -eval", "without -xadd"]
    assert letters == []


# DynamoDB, on moto


def test_an_item_that_dynamodb_finds_invalid_is_a_dead_letter(proxy: Proxy, tmp_path: Path) -> None:
    file, table = tmp_path / "letters.jsonl", f"logs-{uuid.uuid4().hex[:8]}"
    options: dict[str, Any] = {"table": table, "lease_seconds": 2, "flush_seconds": 0.05}
    store, other = DynamoStore(**options, dead_letters=str(file)), DynamoStore(**options)

    def invalid(name: str, body: dict[str, Any]) -> Any:
        # Small items are not compressed.
        return error("ValidationException") if name == "PutItem" and "poison" in json.dumps(body) else None

    proxy.on_call = invalid
    with closing(store, other):
        job = JobLogger(store, job_id="job")
        for text in ("one", "poison", "two"):
            job.log(text)
            assert store.flush(PATIENCE) == 0
        job.close()
        assert store.flush(PATIENCE) == 0
        assert seen(other, "job") == ["one", GAP, "two"]
    (letter,) = lines_of(file)
    assert (letter["store"], letter["id"]) == (f"DynamoDB table {table!r}", 2)
    assert letter["event"]["message"] == "poison" and letter["reason"].startswith("ValidationException")


# The file


def letter(n: int = 1, job_id: str = "job", **event: Any) -> dict[str, Any]:
    text = json.dumps({"event": "log", "message": f"line {n}", "level": "info", "t": 0.5, **event})
    return make_letter("Redis", job_id, n, "too large", text)


def test_only_the_owner_reads_the_file_and_each_letter_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "new" / "letters.jsonl"
    letters = DeadLetterFile(path)
    hostile = letter(2, message="a\nb\u2028\ud800\x00" + '"}')
    letters(letter(1))
    letters(hostile)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    first, second = (json.loads(line) for line in path.read_bytes().split(b"\n")[:-1])
    assert first == letter(1) | {"time": first["time"]}
    assert second["event"]["message"] == hostile["event"]["message"].replace("\ud800", "\ufffd")


def test_several_processes_share_a_file(tmp_path: Path) -> None:
    path = tmp_path / "letters.jsonl"
    code = f"""
import sys
from streamator.stores.remote.deadletters import DeadLetterFile, make_letter
letters = DeadLetterFile({str(path)!r})
for n in range(1, 201):
    letters(make_letter("store", sys.argv[1], n, "reason", '{{"event":"x","data":"' + "x" * 20_000 + '"}}'))
"""
    processes = [subprocess.Popen([sys.executable, "-c", code, name]) for name in ("a", "b", "c")]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    found = lines_of(path)
    for name in ("a", "b", "c"):
        assert [each["id"] for each in found if each["job_id"] == name] == list(range(1, 201))


def test_a_full_file_warns_once_and_takes_more_when_there_is_room(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "letters.jsonl"
    letters = DeadLetterFile(path, max_bytes=1_000)
    for n in range(50):
        letters(letter(n))
    kept = [each["id"] for each in lines_of(path)]
    assert kept == list(range(len(kept))) and 2 < len(kept) < 10
    assert path.stat().st_size <= 1_000
    assert [record.getMessage().count("dead letters are dropped") for record in caplog.records] == [1]
    path.unlink()
    letters(letter(60))
    assert [each["id"] for each in lines_of(path)] == [60]


def test_a_truncated_line_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "letters.jsonl"
    path.write_bytes(b'{"time":"20')
    DeadLetterFile(path)(letter(7))
    cut, line, _ = path.read_bytes().split(b"\n")
    assert cut == b'{"time":"20' and json.loads(line)["id"] == 7


# The command


def command(*arguments: object, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "streamator.deadletter", *map(str, arguments)], capture_output=True, text=True,
        timeout=60, check=False, env={**os.environ, **(env or {})},
    )  # fmt: skip


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "letters.jsonl"
    letters = DeadLetterFile(path)
    for n, job_id in ((3, "job"), (1, "other"), (8, "job")):
        letters(letter(n, job_id))
    return path


def test_print_shows_what_is_in_a_file(file: Path) -> None:
    DeadLetterFile(file)(letter(9, "hostile", message="\x1b[2J\u202e"))
    done = command("print", file)
    assert (done.returncode, done.stderr) == (0, "")
    assert "job job, event 3: too large" in done.stdout and '"message": "line 8"' in done.stdout
    assert "\\u001b[2J\\u202e" in done.stdout and "\x1b" not in done.stdout
    assert done.stdout.endswith("4 dead letters of 3 jobs\n")


@pytest.mark.parametrize(
    "line", ["{", "[]", "{}", '{"time":1}', b"\xff\xfe", json.dumps({**letter(), "job_id": "../x"}), "[" * 100_000]
)
def test_an_invalid_line_is_named_and_the_others_are_shown(file: Path, line: str | bytes) -> None:
    before = file.read_bytes()
    file.write_bytes(before + (line if isinstance(line, bytes) else line.encode()) + b"\n")
    done = command("print", file)
    assert done.returncode == 1 and f"{file}:4: no " in done.stderr and "Traceback" not in done.stderr
    assert "3 dead letters of 2 jobs" in done.stdout


@pytest.mark.parametrize("what", ["print", "replay"])
def test_a_missing_file_is_an_error(tmp_path: Path, what: str) -> None:
    done = command(what, tmp_path / "none", *(["--store", "redis"] if what == "replay" else []))
    assert done.returncode == 2 and "No such file" in done.stderr and "Traceback" not in done.stderr


def test_replay_writes_the_events_of_each_job_as_a_new_job(redis_server: RedisServer, file: Path) -> None:
    prefix = uuid.uuid4().hex[:8]
    arguments = ["--store", "redis", "--option", f"url={redis_server.url}", "--option", f"key_prefix={prefix}"]
    again = file.read_bytes()
    done = command("replay", file, *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "job job: 2 events replayed into job job-replayed", "job other: 1 event replayed into job other-replayed",
    ]  # fmt: skip
    assert list(file.parent.iterdir()) == []
    with redis_store(redis_server.url, key_prefix=prefix) as store:
        events = asyncio.run(collect(store, "job-replayed"))
        assert events[:-1] == [letter(3)["event"], letter(8)["event"]]
        assert events[-1]["event"] == "done"
        assert seen(store, "other-replayed") == ["line 1"]
        file.write_bytes(again)
        done = command("replay", file, *arguments)
        assert "into job job-replayed-2" in done.stdout
        assert seen(store, "job-replayed-2") == ["line 3", "line 8"]


def test_replay_keeps_letters_that_fail_again_and_lines_it_cannot_read(file: Path) -> None:
    DeadLetterFile(file)(letter(9, "job", data="x" * 3_000_000))
    with file.open("ab") as opened:
        opened.write(b"no letter\n")
    before = file.read_bytes().split(b"\n")
    with RedisServer("--proto-max-bulk-len", "1mb") as server:
        done = command("replay", file, "--store", "redis", "--option", f"url={server.url}")
        assert done.returncode == 1
        assert f"{file}:5: no JSON" in done.stderr and "2 lines kept in" in done.stderr
        assert "job job-replayed: event 3 is refused again" in done.stderr
        assert "job job: 2 events replayed into job job-replayed" in done.stdout
        with redis_store(server.url) as store:
            assert seen(store, "job-replayed") == ["line 3", "line 8", GAP]
    assert sorted(file.read_bytes().split(b"\n")) == sorted([before[3], before[4], b""])
    assert list(file.parent.iterdir()) == [file]


def test_replay_during_an_outage_keeps_all_letters(file: Path) -> None:
    before = file.read_bytes()
    done = command(
        "replay", file, "--store", "redis", "--option", "url=redis://127.0.0.1:1/0", "--option", "close_seconds=0.2",
        "--timeout", 0.5,
    )  # fmt: skip
    assert done.returncode == 1 and "and kept" in done.stderr and "Traceback" not in done.stderr
    assert file.read_bytes() == before


def test_replay_to_dynamodb_with_options_that_are_numbers(file: Path) -> None:
    table = f"logs-{uuid.uuid4().hex[:8]}"
    with moto() as (port, _):
        env = {
            "AWS_ENDPOINT_URL_DYNAMODB": f"http://127.0.0.1:{port}", "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "eu-west-1",
        }  # fmt: skip
        options = ["--option", f"table={table}", "--option", "ttl_days=0.5", "--option", "flush_seconds=0.02"]
        done = command("replay", file, "--store", "dynamo", *options, env=env)
        assert (done.returncode, done.stderr) == (0, "")
        assert "2 events replayed into job job-replayed" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--store", "memory"], "invalid choice"),
        (["--store", "redis", "--option", "url"], "'url' is no option: give NAME=VALUE"),
        (["--store", "redis", "--option", "colour=red"], "'colour' is no option of RedisStore"),
        (["--store", "redis", "--option", "ttl_days=long"], "ttl_days is 'long': give a number, such as 7"),
        (["--store", "redis", "--option", "ttl_days=0"], "ttl_days is 0: give a number greater than 0"),
    ],
)
def test_a_replay_that_cannot_begin_leaves_the_file_alone(file: Path, arguments: list[str], says: str) -> None:
    before = file.read_bytes()
    done = command("replay", file, *arguments)
    assert done.returncode == 2 and says in done.stderr and "Traceback" not in done.stderr
    assert file.read_bytes() == before and list(file.parent.iterdir()) == [file]


def test_an_interrupted_replay_is_not_overwritten(file: Path) -> None:
    taken = file.with_name(file.name + ".replaying")
    taken.write_bytes(file.read_bytes())
    done = command("replay", file, "--store", "redis")
    assert done.returncode == 2 and f"{taken} is another replay's" in done.stderr
    assert file.read_bytes() == taken.read_bytes()


def test_letters_that_come_during_a_replay_stay(redis_server: RedisServer, file: Path) -> None:
    stop, written = threading.Event(), 0
    letters = DeadLetterFile(file)

    def go_on() -> None:
        nonlocal written
        while not stop.is_set():
            written += 1
            letters(letter(written, "late"))

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        until(lambda: written > 20)
        prefix = uuid.uuid4().hex[:8]
        arguments = ["--store", "redis", "--option", f"url={redis_server.url}", "--option", f"key_prefix={prefix}"]
        done = command("replay", file, *arguments)
    finally:
        stop.set()
        thread.join()
    assert (done.returncode, done.stderr) == (0, "")
    with redis_store(redis_server.url, key_prefix=prefix) as store:
        replayed = [int(text.split()[1]) for text in seen(store, "late-replayed")]
    left = [each["id"] for each in lines_of(file)]
    assert sorted(replayed + left) == list(range(1, written + 1))
