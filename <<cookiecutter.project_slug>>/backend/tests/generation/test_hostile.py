"""Texts and answers that are hard to read: each is read in a time by its length, and apart from the server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from app.generation.apart import check, survey, tidy
from app.generation.draft import split_reasoning, without_marks
from app.generation.extractive import ExtractiveProvider
from app.generation.markdown import find_links
from app.generation.provider import Task
from app.generation.reading import read
from app.processes import Processes
from tests.generation.test_extractive import load
from tests.generation.texts import LIGHTHOUSES
from tests.here import LAG, cost, lag, of_the_server

FAMILIES = ("“", "‘", "[", "![", "[a](", "*a ", "_a* ", "**a", "\n- a", "|a|b|\n|-|-|\n", "[a]: b\n", "a\n=\n", "`a``")
MARKS = (
    "<|end|>", "<|start|>", "<|im_start|>", "<|x|>", "</s>", "<s>", "<think>", "</think>", "<think ", "[INST]", "\n ",
    "<|channel|>analysis", "<",
)  # fmt: skip


def seconds(work: Callable[[str], object], family: str, length: int) -> float:
    text = (family * length)[:length] + "x" * 100  # what began has no end
    return cost(lambda: work(text))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("work", [read, find_links, survey])
def test_a_text_is_read_in_a_time_by_its_length(work: Callable[[str], object], family: str) -> None:
    seconds(work, family, 1_000)
    assert seconds(work, family, 100_000) < 3 * 10 * seconds(work, family, 10_000) + 0.5  # by its square: 100 times


def within(text: str) -> object:
    return split_reasoning(text, whole=False)


@pytest.mark.parametrize("family", MARKS)
@pytest.mark.parametrize("work", [within, without_marks])
def test_marks_of_a_model_are_looked_for_in_a_time_by_the_length(work: Callable[[str], object], family: str) -> None:
    # This is done on the event loop, of 200,000 characters at most.
    assert seconds(work, family, 200_000) < 1.0


@pytest.mark.anyio
@pytest.mark.parametrize("family", ["“", "[", "*a "])
async def test_a_run_that_takes_its_time_holds_up_nobody(family: str) -> None:
    processes, prompt = Processes(), await load("summary")
    task = Task((family * 300_000)[:300_000], prompt, "standard")
    async with lag() as longest:
        pieces = [piece async for piece in ExtractiveProvider(processes).generate(task, lambda message, done: None)]
    assert pieces[0] == "## Key points\n\n"
    assert longest() < LAG
    await processes.close()


@pytest.mark.anyio
async def test_a_cancelled_run_has_no_process() -> None:
    processes, prompt, begun = Processes(slots=1), await load("outline"), asyncio.Event()
    task = Task("A sentence of some words, and one more. " * 25_000, prompt, "long")

    async def run() -> None:
        async for _ in ExtractiveProvider(processes).generate(task, lambda message, done: None):
            begun.set()

    running = asyncio.create_task(run())
    await asyncio.wait_for(begun.wait(), 60)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    told: list[str] = []
    await processes.run("os:getpid", waiting=told.append)  # its slot is free
    assert told == []
    await processes.close()


def test_a_run_does_not_wait_for_the_servers_own_modules() -> None:
    assert of_the_server("app.generation.apart", "app.generation.excerpt") == "set()"


@pytest.mark.anyio
async def test_what_is_known_and_checked_apart_is_what_was_given() -> None:
    prompt = (await load("summary")).model_dump(mode="json")
    assert survey(LIGHTHOUSES) == {"words": len(LIGHTHOUSES.split()) - 3, "marks": False}
    assert tidy("## X\n* a b", prompt, LIGHTHOUSES) == ("## X\n\n- a b\n", [], 3)
    assert check("none", prompt, "standard", LIGHTHOUSES)[0][0] == "The heading “## Key points” is missing."
