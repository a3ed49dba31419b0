from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from app import main
from app.jobs import JobError
from app.processes import FairSlots, Processes, RefusedInput
from tests.here import LAG, lag, of_the_server
from tests.support import RunningApp, eventually, eventually_async

pytestmark = pytest.mark.anyio


@pytest.fixture
async def processes(anyio_backend: str) -> AsyncIterator[Processes]:
    made = Processes()
    yield made
    await made.close()


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


# Turns


class Desk:
    """Users who want slots, and who has them."""

    def __init__(self, number: int) -> None:
        self.slots = FairSlots(number)
        self.order: list[str] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.done: dict[str, list[asyncio.Event]] = {}

    async def want(self, user: str, times: int = 1) -> None:
        async def work(done: asyncio.Event) -> None:
            async with self.slots.take(user):
                self.order.append(user)
                await done.wait()

        for _ in range(times):
            self.done.setdefault(user, []).append(asyncio.Event())
            self.tasks.append(asyncio.create_task(work(self.done[user][-1])))
        await self.settle()

    async def finish(self, user: str) -> None:
        """Ends the oldest work of a user's."""
        self.done[user].pop(0).set()
        await self.settle()

    async def settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


async def test_one_user_never_has_all_slots() -> None:
    desk = Desk(3)
    await desk.want("ann", 9)
    assert desk.order == ["ann", "ann"]
    await desk.want("ben")
    assert desk.order == ["ann", "ann", "ben"]
    await desk.close()


async def test_who_wants_one_waits_for_one_of_the_many_of_another() -> None:
    desk = Desk(2)
    await desk.want("ann", 5)
    await desk.want("ben", 2)
    await desk.want("eve", 1)
    assert desk.order == ["ann", "ben"]
    await desk.finish("ben")
    assert desk.order[2:] == ["eve"]  # who had none yet
    await desk.finish("eve")
    assert desk.order[3:] == ["ben"]
    await desk.finish("ben")
    await desk.finish("ann")
    assert desk.order[4:] == ["ann"]
    await desk.close()


async def test_of_those_who_wait_the_one_with_the_fewest_is_the_next() -> None:
    desk = Desk(4)
    for user in ("ann", "ann", "ben", "eve", "ann", "ben"):
        await desk.want(user)
    await desk.finish("eve")
    assert desk.order == ["ann", "ann", "ben", "eve", "ben"]
    await desk.close()


async def test_users_who_wait_have_their_turns_one_after_the_other() -> None:
    desk = Desk(1)
    await desk.want("ann", 3)
    for user in ("ben", "eve"):
        await desk.want(user, 2)
    for _ in range(6):
        await desk.finish(desk.order[-1])
    assert desk.order == ["ann", "ben", "eve", "ann", "ben", "eve", "ann"]
    await desk.close()


async def test_who_is_cancelled_leaves_no_slot_taken() -> None:
    desk = Desk(2)
    await desk.want("ann", 3)
    desk.tasks[1].cancel()  # it waits
    desk.tasks[0].cancel()  # it has one
    await desk.settle()
    assert (desk.order, desk.slots.held) == (["ann", "ann"], 1)
    await desk.close()
    assert (desk.slots.held, desk.slots.must_wait("ann")) == (0, False)


async def test_a_turn_that_comes_as_its_task_is_cancelled_goes_to_the_next() -> None:
    slots = FairSlots(1)
    async with AsyncExitStack() as held:
        await held.enter_async_context(slots.take("ann"))

        async def work() -> None:
            async with slots.take("ben"):
                raise AssertionError("cancelled before")

        waiting = asyncio.create_task(work())
        await asyncio.sleep(0)
    waiting.cancel()  # its turn has come with the line before
    with pytest.raises(asyncio.CancelledError):
        await waiting
    async with slots.take("eve"):
        assert slots.held == 1


# Processes


async def test_a_process_is_used_again_and_one_for_a_document_is_not(processes: Processes) -> None:
    first, second = [await processes.run("tests.work:pid") for _ in range(2)]
    assert first == second != os.getpid()
    alone = [await processes.run("tests.work:pid", fresh=True) for _ in range(2)]
    assert len({first, *alone}) == 3
    assert [gone(pid) for pid in (first, *alone)] == [False, True, True]
    await processes.close()
    assert gone(first)


async def test_a_process_without_work_goes(anyio_backend: str) -> None:
    processes = Processes(idle=0.01)
    pid = await processes.run("tests.work:pid")
    await eventually_async(lambda: gone(pid))
    assert await processes.run("tests.work:pid") != pid
    await processes.close()


async def test_what_goes_in_comes_out_as_it_was(processes: Processes) -> None:
    values: list[Any] = ["\n\0“", {"a": [1, None, 0.5]}, "x" * 3_000_000]
    assert await processes.run("tests.work:echo", *values) == values
    assert await processes.run("tests.work:echo", "\ud800") == ["?"]  # half a character is none


async def test_more_than_some_megabytes_is_no_answer(processes: Processes) -> None:
    with pytest.raises(JobError, match="What was read of this text is more than 8 MB"):
        await processes.run("tests.work:echo", "x" * 9_000_000)
    assert await processes.run("tests.work:echo", 1) == [1]


async def test_what_a_function_refuses_is_told_and_its_process_goes(processes: Processes) -> None:
    with pytest.raises(RefusedInput, match=r"^too odd$"):
        await processes.run("tests.work:refuse", "too odd")
    with pytest.raises(RefusedInput, match="This letter is nested deeper than can be read"):
        await processes.run("tests.work:deep", 0, noun="letter")


@pytest.mark.parametrize(
    ("function", "arguments", "said"),
    [
        ("fail", (), r"The parser of this letter failed \(ZeroDivisionError: by nothing\)"),
        ("crash", (), r"The parser of this letter crashed \(SIGABRT"),
        ("take", (10**12,), r"Reading this letter takes more than 2 GB of memory"),
    ],
)
async def test_whatever_happens_in_it_is_told(
    processes: Processes, function: str, arguments: tuple[int, ...], said: str
) -> None:
    with pytest.raises(JobError, match=said):
        await processes.run(f"tests.work:{function}", *arguments, noun="letter")


async def test_a_process_that_keeps_much_memory_takes_no_other_task(processes: Processes) -> None:
    before = await processes.run("tests.work:pid")
    await processes.run("tests.work:keep", 1_000_000)
    assert not gone(before)
    await processes.run("tests.work:keep", 400_000_000)
    assert gone(before)


async def test_cancelling_ends_a_process_whatever_it_does(processes: Processes) -> None:
    pids: list[int] = []
    task = asyncio.create_task(processes.run("tests.work:spin", log=pids.append))
    await eventually_async(lambda: pids, 30)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert gone(pids[0])


async def test_so_does_its_time_limit(caplog: pytest.LogCaptureFixture) -> None:
    processes, pids = Processes(seconds=2.0, setting="MAX_SEARCH_SECONDS"), list[int]()
    with pytest.raises(JobError, match=r"Reading this text took longer than 2\.0 s and was stopped"):
        await processes.run("tests.work:spin", log=pids.append)
    assert all(map(gone, pids))
    assert "MAX_SEARCH_SECONDS is 2" in caplog.text


async def test_the_slow_tasks_of_one_user_do_not_hold_up_another(tmp_path: Path) -> None:
    processes, begun, file = Processes(slots=3), list[int](), tmp_path / "go on"
    path = str(file)
    slow = [
        asyncio.create_task(processes.run("tests.work:wait_for", path, user="ann", log=begun.append)) for _ in "123"
    ]
    await eventually_async(lambda: len(begun) == 2, 30)
    told: list[str] = []
    await processes.run("tests.work:pid", user="ben", waiting=told.append)
    assert (len(begun), told) == (2, [])
    file.touch()
    assert set(await asyncio.gather(*slow)) == set(begun)
    await processes.close()


async def test_who_has_to_wait_is_told(tmp_path: Path) -> None:
    processes, begun, told, file = Processes(slots=1), list[int](), list[str](), tmp_path / "go on"
    first = asyncio.create_task(processes.run("tests.work:wait_for", str(file), log=begun.append))
    await eventually_async(lambda: begun, 30)
    second = asyncio.create_task(processes.run("tests.work:pid", waiting=told.append))
    await eventually_async(lambda: told)
    assert told == ["Waiting for its turn: 1 task is under way"]
    file.touch()
    assert await first == await second
    await processes.close()


async def test_a_process_has_none_of_the_servers_secrets(processes: Processes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    monkeypatch.setenv("AUTH_SECRET", "hush")
    assert not [name for name in await processes.run("tests.work:environment") if "SECRET" in name]


SERVER = """
import asyncio
from app.processes import Processes
asyncio.run(Processes().run("tests.work:spin", log=lambda pid: print(pid, flush=True)))
"""


def test_a_process_goes_with_a_server_that_is_killed_even_while_its_interpreter_is_held() -> None:
    with subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        pid = int(server.stdout.readline())
        server.send_signal(signal.SIGKILL)
    eventually(lambda: gone(pid))


def test_a_process_does_not_wait_for_the_servers_own_modules() -> None:
    assert of_the_server("app.process_main", "app.snapshot", "app.sentences") == "set()"


async def test_the_event_loop_goes_on_meanwhile(processes: Processes) -> None:
    pids: list[int] = []
    async with lag() as longest:
        spinning = asyncio.create_task(processes.run("tests.work:spin", log=pids.append))
        await eventually_async(lambda: pids, 30)
        assert await processes.run("tests.work:echo", "“" * 1_000_000)
        spinning.cancel()
        await asyncio.wait({spinning})
    assert longest() < LAG


def test_their_bounds_are_those_that_are_set(
    run_app: Callable[..., RunningApp], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[dict[str, Any]] = []

    def spy(**options: Any) -> Processes:
        given.append(options)
        return Processes(**options)

    monkeypatch.setattr(main, "Processes", spy)
    run_app(max_reading_seconds=13, max_reading_mb=1_400, max_search_seconds=14)
    assert given == [
        {"seconds": 13, "memory_bytes": 1_400_000_000},
        {"seconds": 14, "memory_bytes": 1_400_000_000, "setting": "MAX_SEARCH_SECONDS"},
    ]
