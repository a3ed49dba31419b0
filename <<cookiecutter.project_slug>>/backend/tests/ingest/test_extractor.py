from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.ingest.extractor import ExtractedFile, Extractor
from app.ingest.identify import Kind
from app.jobs import JobError
from app.terms import unpack_terms
from tests.pdf import make_pdf
from tests.support import eventually_async

pytestmark = pytest.mark.anyio


class Run:
    """Extracts a file; collects the lines."""

    def __init__(self, directory: Path) -> None:
        self.path, self.text_path = directory / "in", directory / "out"
        self.lines: list[str] = []

    async def __call__(self, extractor: Extractor, content: bytes = b"some words") -> ExtractedFile:
        self.path.write_bytes(content)
        kind: Kind = "pdf" if content.startswith(b"%PDF") else "text"
        return await extractor.extract(
            self.path, kind, name="x", charset=None, text_path=self.text_path,
            log=lambda message, level: self.lines.append(message),
        )  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def script(code: str) -> tuple[str, ...]:
    """A command that stands in for the extraction: reads its task, then runs `code`."""
    return (
        sys.executable,
        "-c",
        f"import json, os, sys, time\ntask = json.loads(sys.stdin.readline())\n{code}",
    )


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


async def test_a_document_is_read_in_another_process(run: Run) -> None:
    found = await run(Extractor(), make_pdf(["Three words here"], title="T"))
    assert found == ExtractedFile("T", 3, 16)
    assert run.text_path.read_text(encoding="utf-8") == "Three words here"
    assert run.lines[-1] == "Page 1 of 1: 3 words"


async def test_a_document_that_cannot_be_read_says_why(run: Run) -> None:
    with pytest.raises(JobError, match="This PDF is damaged"):
        await run(Extractor(), b"%PDF-1.4 rubbish")


async def test_lines_come_while_it_works(run: Run) -> None:
    code = "print(json.dumps({'log': 'first', 'level': 'info'}), flush=True)\ntime.sleep(60)"
    task = asyncio.create_task(run(Extractor(command=script(code))))
    await eventually_async(lambda: run.lines == ["first"])
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_cancelling_kills_it_at_once(run: Run) -> None:
    code = "print(json.dumps({'log': str(os.getpid()), 'level': 'info'}), flush=True)\nwhile True: pass"
    task = asyncio.create_task(run(Extractor(command=script(code))))
    await eventually_async(lambda: run.lines)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task  # which would not end by itself
    assert gone(int(run.lines[0]))


async def test_one_that_hangs_is_stopped_at_its_time_limit(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    code = "print(json.dumps({'log': str(os.getpid()), 'level': 'info'}), flush=True)\ntime.sleep(60)"
    with pytest.raises(JobError, match=r"took longer than 1\.0 s and was stopped"):
        await run(Extractor(command=script(code), timeout=1.0))
    assert gone(int(run.lines[0]))
    assert "MAX_READING_SECONDS is 1" in caplog.text


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("sys.exit('no such parser')", "exit code 1: no such parser"),
        ("os.abort()", "SIGABRT, aborted, as one does that needs more than 2 GB of memory"),
        ("os.kill(os.getpid(), 11)", "SIGSEGV, segmentation fault"),
        ("os.kill(os.getpid(), 9)", "more than 2 GB of memory"),
        ("os.write(2, b'terminate called after std::bad_alloc'); os.abort()", "more than 2 GB of memory"),
        ("sys.stderr.write('x' * 1_000_000); os._exit(3)", "exit code 3"),
        ("os._exit(0)", r"exit code 0\)"),
    ],
)
async def test_one_that_crashes_is_a_clear_error(run: Run, code: str, reason: str) -> None:
    with pytest.raises(JobError, match=reason):
        await run(Extractor(command=script(code)))


def parser(code: str) -> tuple[str, ...]:
    """The extraction itself, with a parser of text and of feeds that runs `code`."""
    return (
        sys.executable,
        "-c",
        "import os, sys, warnings, app.ingest.extract as e, app.ingest.extract_process as p\n"
        "class Odd(BaseException): pass\n"
        "class Unprintable(Exception):\n    def __str__(self): raise self\n"
        f"def parse(*args, **options): {code}\n"
        "e.plain = p.read_channel = parse\n"
        "os._exit(p.main())",
    )


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raise AssertionError('tag 7')", r"parser of this {} failed \(AssertionError: tag 7\): save it anew"),
        ("raise Odd('odd')", r"parser of this {} failed \(Odd: odd\)"),
        ("sys.exit(3)", r"parser of this {} failed \(SystemExit: 3\)"),
        ("raise KeyboardInterrupt", r"parser of this {} failed \(KeyboardInterrupt\)"),
        ("raise Unprintable", r"parser of this {} failed \(Unprintable\)"),
        ("raise ValueError('x' * 1_000_000)", r"parser of this {} failed \(ValueError: x+…\)"),
        ("raise ValueError('\\ud800\\0')", r"parser of this {} failed \(ValueError: "),
        ("warnings.simplefilter('error'); warnings.warn('old')", r"parser of this {} failed \(UserWarning: old\)"),
        ("print('{}', flush=True); 1 / 0", r"parser of this {} failed \(ZeroDivisionError: division by zero\)"),
        ("sys.stdout.close(); sys.stderr.close(); 1 / 0", r"parser of this {} failed \(ZeroDivisionError"),
        ("parse()", "This {} is nested deeper than can be read"),
        ("bytearray(10**13)", r"Reading this {} takes more than 2 GB of memory"),
        ("os.kill(os.getpid(), 11)", r"parser of this {} crashed \(SIGSEGV"),
    ],
)
async def test_whatever_a_parser_raises_is_told(
    run: Run, code: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(JobError, match=reason.replace("{}", "document")) as caught:
        await run(Extractor(command=parser(code)))
    assert (str(caught.value) + caplog.text).encode(), "half a character would be one too many for a log"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raise Odd('odd')", r"The parser of this feed or sitemap failed \(Odd: odd\)"),
        ("bytearray(10**13)", "Reading this feed or sitemap takes more than 2 GB"),
        ("os.kill(os.getpid(), 11)", r"The parser of this feed or sitemap crashed \(SIGSEGV"),
    ],
)
async def test_so_is_what_a_parser_of_feeds_raises(run: Run, code: str, reason: str) -> None:
    run.path.write_bytes(b"<rss>")
    url, extractor = "https://example.org/feed", Extractor(command=parser(code))
    with pytest.raises(JobError, match=reason):
        await extractor.read_channel(run.path, url, text_path=run.text_path, log=lambda *line: None)


async def test_a_parser_that_fails_leaves_its_traceback_in_the_servers_log(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(JobError):
        await run(Extractor(command=parser("raise AssertionError('tag 7')")))
    assert "in parse" in caplog.text
    assert "AssertionError: tag 7" in caplog.text


async def test_what_was_read_but_cannot_be_kept_is_no_fault_of_the_document(run: Run) -> None:
    run.text_path.mkdir()
    with pytest.raises(JobError, match=r"cannot be kept \(Is a directory\): make room in DATA_DIR"):
        await run(Extractor())


async def test_one_that_eats_memory_is_stopped_alone_and_the_log_names_the_setting(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(JobError, match="more than 300 MB of memory") as stopped:
        await run(Extractor(memory_bytes=300_000_000), b"word " * 30_000_000)
    with pytest.raises(JobError, match="more than 301 MB of memory"):
        await run(Extractor(memory_bytes=301_000_000, command=script("os.kill(os.getpid(), 9)")))
    assert ("MAX_READING_MB is 300" in caplog.text, "MAX_READING_MB is 301" in caplog.text) == (True, True)
    assert "MAX_" not in str(stopped.value)


async def test_only_so_many_run_at_once(run: Run) -> None:
    extractor = Extractor(processes=1, command=script("time.sleep(60)"))
    first = asyncio.create_task(run(extractor))
    second = asyncio.create_task(run(extractor))
    await eventually_async(lambda: run.lines == ["Waiting: 1 document is being read already"])
    for task in (first, second):
        task.cancel()
    await asyncio.wait({first, second})


async def test_it_goes_when_the_server_goes(run: Run, tmp_path: Path) -> None:
    """The process ends by itself when its stdin does, which is what a killed server leaves behind."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c",
        "import app.ingest.extract_process as p, time; p.extract = lambda *a, **k: time.sleep(60); p.main()",
        stdin=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    process.stdin.write(b'{"path": "", "kind": "pdf", "name": "", "charset": null, "memory_bytes": 2000000000}\n')
    await process.stdin.drain()
    process.stdin.close()
    assert await asyncio.wait_for(process.wait(), 10) == 1


async def test_it_is_not_given_the_servers_secrets(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    code = "print(json.dumps({'error': ' '.join(os.environ)}), flush=True)"
    with pytest.raises(JobError) as caught:
        await run(Extractor(command=script(code)))
    assert "AWS" not in str(caught.value)


def test_a_document_does_not_wait_for_the_server_s_own_modules() -> None:
    code = "import sys, app.ingest.extract_process; print({'fastapi', 'httpx', 'streamator'} & sys.modules.keys())"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "set()\n"


async def test_the_terms_of_a_text_are_made_where_it_is_read(run: Run) -> None:
    await run(Extractor(), "Straße 東京".encode())
    packed = run.text_path.with_suffix(".terms").read_bytes()
    assert unpack_terms(packed).split() == ["strasse", "東京", "京"]
