from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from app.ingest.extractor import ExtractedFile, Extractor
from app.ingest.identify import Kind
from app.jobs import JobError
from app.processes import Processes
from app.terms import unpack_terms
from tests.here import of_the_server
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


def extractor(command: tuple[str, ...] | None = None, **limits: Any) -> Extractor:
    if command is not None:
        limits["command"] = command
    return Extractor(Processes(**limits))


async def test_a_document_is_read_in_another_process(run: Run) -> None:
    found = await run(extractor(), make_pdf(["Three words here"], title="T"))
    assert found == ExtractedFile("T", 3, 16)
    assert run.text_path.read_text(encoding="utf-8") == "Three words here"
    assert run.lines[-1] == "Page 1 of 1: 3 words"


async def test_a_document_that_cannot_be_read_says_why(run: Run) -> None:
    with pytest.raises(JobError, match="This PDF is damaged"):
        await run(extractor(), b"%PDF-1.4 rubbish")


async def test_lines_come_while_it_works(run: Run) -> None:
    task = asyncio.create_task(run(extractor(parser("args[1]('first', 'info'); __import__('time').sleep(60)"))))
    await eventually_async(lambda: run.lines[-1:] == ["first"], 30)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("os.write(2, b'no such parser'), os._exit(1)", "exit code 1: no such parser"),
        ("os.abort()", "SIGABRT, aborted, as one does that needs more than 2 GB of memory"),
        ("os.kill(os.getpid(), 11)", "SIGSEGV, segmentation fault"),
        ("os.kill(os.getpid(), 9)", "more than 2 GB of memory"),
        ("os.write(2, b'terminate called after std::bad_alloc'), os.abort()", "more than 2 GB of memory"),
        ("os.write(2, b'x' * 1_000_000), os._exit(3)", "exit code 3"),
        ("os._exit(0)", r"exit code 0\)"),
    ],
)
async def test_one_that_crashes_is_a_clear_error(run: Run, code: str, reason: str) -> None:
    with pytest.raises(JobError, match=reason):
        await run(extractor(parser(code)))


def parser(code: str) -> tuple[str, ...]:
    """The extraction itself, with a parser of text and of feeds that runs `code`."""
    return (
        sys.executable,
        "-c",
        "import os, sys, warnings, app.ingest.extract as e, app.ingest.extract_process as p, app.process_main\n"
        "class Odd(BaseException): pass\n"
        "class Unprintable(Exception):\n    def __str__(self): raise self\n"
        f"def parse(*args, **options): {code}\n"
        "e.plain = p.read_channel = parse\n"
        "os._exit(app.process_main.main())",
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
        await run(extractor(parser(code)))
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
    url, reads = "https://example.org/feed", extractor(parser(code))
    with pytest.raises(JobError, match=reason):
        await reads.read_channel(run.path, url, text_path=run.text_path, log=lambda *line: None)


async def test_a_parser_that_fails_leaves_its_traceback_in_the_servers_log(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(JobError):
        await run(extractor(parser("raise AssertionError('tag 7')")))
    assert "in parse" in caplog.text
    assert "AssertionError: tag 7" in caplog.text


async def test_what_was_read_but_cannot_be_kept_is_no_fault_of_the_document(run: Run) -> None:
    run.text_path.mkdir()
    with pytest.raises(JobError, match=r"cannot be kept \(Is a directory\): make room in DATA_DIR"):
        await run(extractor())


async def test_one_that_eats_memory_is_stopped_alone_and_the_log_names_the_setting(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(JobError, match="more than 300 MB of memory") as stopped:
        await run(extractor(memory_bytes=300_000_000), b"word " * 30_000_000)
    with pytest.raises(JobError, match="more than 301 MB of memory"):
        await run(extractor(parser("os.kill(os.getpid(), 9)"), memory_bytes=301_000_000))
    assert ("MAX_READING_MB is 300" in caplog.text, "MAX_READING_MB is 301" in caplog.text) == (True, True)
    assert "MAX_" not in str(stopped.value)


async def test_the_terms_of_a_text_are_made_where_it_is_read(run: Run) -> None:
    await run(extractor(), "Straße 東京".encode())
    packed = run.text_path.with_suffix(".terms").read_bytes()
    assert unpack_terms(packed).split() == ["strasse", "東京", "京"]


def test_a_document_does_not_wait_for_the_servers_own_modules() -> None:
    assert of_the_server("app.ingest.extract_process", "app.ingest.find") == "set()"
