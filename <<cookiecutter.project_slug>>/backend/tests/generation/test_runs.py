from __future__ import annotations

import pytest

from app.database import Database
from app.generation.events import RunMetadata
from app.generation.runs import RunRow, RunTable
from app.users import LOCAL_USER, User

pytestmark = pytest.mark.anyio

ANN = User("ann", "Ann")
METADATA = RunMetadata(
    prompt="summary", provider="extractive", model="m", words=3, source_words=9, attempts=1, problems=[], seconds=0.5
)


@pytest.fixture
def table(database: Database) -> RunTable:
    return RunTable(database, kept=2)


def row(job_id: str) -> RunRow:
    return RunRow(job_id, "summary", "extractive", "short", f"The text of {job_id}.")


async def test_a_run_is_kept_with_its_text_and_its_output(table: RunTable) -> None:
    await table.add(row("one"), user=LOCAL_USER)
    assert await table.get("one", user=LOCAL_USER) == row("one")
    await table.finish("one", "The output.", METADATA)
    found = await table.get("one", user=LOCAL_USER)
    assert found is not None
    assert (found.output, found.metadata) == ("The output.", METADATA)


async def test_a_run_is_its_users_alone(table: RunTable) -> None:
    await table.add(row("one"), user=LOCAL_USER)
    await table.add(row("two"), user=ANN)
    assert [each.job_id for each in await table.latest(10, user=ANN)] == ["two"]
    assert await table.get("one", user=ANN) is None


async def test_the_oldest_of_a_user_are_forgotten(table: RunTable) -> None:
    await table.add(row("anns"), user=ANN)
    for name in ("one", "two", "three"):
        await table.add(row(name), user=LOCAL_USER)
    assert [each.job_id for each in await table.latest(10, user=LOCAL_USER)] == ["three", "two"]
    assert await table.get("one", user=LOCAL_USER) is None
    assert await table.get("anns", user=ANN) is not None
