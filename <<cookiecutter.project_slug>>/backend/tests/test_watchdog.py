"""What the log says of an event loop that stands still."""

from __future__ import annotations

import asyncio
import logging
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest
from fastapi import APIRouter

from app.watchdog import watch_loop
from tests.support import RunningApp, eventually, eventually_async, feature_of

pytestmark = pytest.mark.anyio


def sleep() -> None:
    time.sleep(0.4)


def hold_the_gil() -> None:
    """What is in C and holds the GIL: no other thread runs meanwhile."""
    before = time.thread_time()
    while time.thread_time() < before + 0.4:
        sum(range(10_000_000))


@pytest.mark.parametrize("block", [sleep, hold_the_gil])
async def test_a_block_is_a_line_with_its_length_and_its_code(
    caplog: pytest.LogCaptureFixture, block: Callable[[], None]
) -> None:
    with watch_loop(0.1):
        await asyncio.sleep(0)
        block()
        (line,) = await eventually_async(lambda: told(caplog, block.__name__))
    assert line.levelno == logging.WARNING
    assert re.match(r"the event loop was blocked for (\d+ ms|[\d.]+ s), at ", line.getMessage()), line.getMessage()
    assert f"{__file__}:" in line.getMessage()


def told(caplog: pytest.LogCaptureFixture, name: str) -> list[logging.LogRecord]:
    return [each for each in caplog.records if each.name == "app.watchdog" and f" {name}" in each.getMessage()]


async def test_many_blocks_are_few_lines_that_count_them(caplog: pytest.LogCaptureFixture) -> None:
    with watch_loop(0.1, every=3.0):
        began = time.monotonic()
        blocks = 0
        while time.monotonic() < began + 60 and len(told(caplog, "sleep")) < 2:
            sleep()
            blocks += 1
            await asyncio.sleep(0.2)
    lines = [each.getMessage() for each in told(caplog, "sleep")]
    assert len(lines) == 2
    assert blocks > 3
    assert re.search(r", and \d+ times? since the last such line, at ", lines[1])


async def test_a_block_without_an_end_is_told_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    def stand_still() -> None:
        eventually(lambda: told(caplog, "stand_still"))  # it ends when it has been told

    with watch_loop(0.1, endless=0.3):
        await asyncio.sleep(0)
        stand_still()
    assert "the event loop is blocked, so far for " in told(caplog, "stand_still")[0].getMessage()


def test_the_server_watches_its_loop(run_app: Callable[..., RunningApp], caplog: pytest.LogCaptureFixture) -> None:
    router = APIRouter()

    @router.get("/block")
    async def block_everybody() -> None:
        time.sleep(0.4)  # noqa: ASYNC251 -- that is what is told

    running = run_app(features=(feature_of(router),))
    assert running.client.get("/api/block").status_code == 200
    eventually(lambda: told(caplog, "block_everybody"))


BUSY = """
import asyncio, logging, sys, threading, time
from app.watchdog import watch_loop

async def work(ended):
    with watch_loop(0.1, every=0):
        print("ready", flush=True)
        while not ended.is_set():
            time.sleep(0.06)
            await asyncio.sleep(0)

logging.basicConfig(format="%(message)s", stream=sys.stdout)
ended = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), ended.set())).start()
asyncio.run(work(ended))
"""


@pytest.mark.server
def test_a_process_that_was_stopped_is_no_block() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        for _ in range(4):  # most of the time the watchdog waits for a sign of life
            process.send_signal(signal.SIGSTOP)
            time.sleep(2)
            process.send_signal(signal.SIGCONT)
            time.sleep(0.3)
        said, _ = process.communicate(timeout=30)
    assert not re.search(r"blocked for ([2-9]\.\d|\d{2}\.\d) s", said), said
