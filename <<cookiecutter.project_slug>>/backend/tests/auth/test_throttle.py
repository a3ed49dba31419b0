"""How often a password may be tried."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.auth.accounts import MIGRATIONS
from app.auth.throttle import WINDOW_SECONDS, Throttle, TooManyAttempts
from app.database import Database
from tests.auth.people import Person
from tests.support import RunningApp

pytestmark = pytest.mark.anyio

PER_NAME, PER_ADDRESS = 5, 30

RunAuth = Callable[..., RunningApp]
Visit = Callable[..., Person]


@pytest.fixture
async def throttle(tmp_path: Path) -> Throttle:
    database = Database(tmp_path / "app.db", {"auth": MIGRATIONS})
    await database.open()
    return Throttle(database, b"secret", per_name=PER_NAME, per_address=PER_ADDRESS)


def test_after_five_wrong_passwords_the_right_one_waits_too(run_auth: RunAuth, visit: Visit) -> None:
    running = run_auth()
    ada, grace = visit(running), visit(running)
    ada.name, grace.name = "Ada", "Grace"
    for name in ("Ada", "ADA", " ada", "Ada", "\uff21da"):
        ada.name = name
        assert ada.sign_in("wrong wrong").status_code == 401
    answer = ada.sign_in()
    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= WINDOW_SECONDS
    assert answer.json()["error"].startswith("too many attempts to sign in: try again in ")
    assert grace.sign_in().status_code == 200

    running.stop()
    elsewhere = visit(run_auth())  # the same database: another process, or the next
    elsewhere.name = "Ada"
    assert elsewhere.sign_in().status_code == 429


def test_how_many_is_set(run_auth: RunAuth, visit: Visit) -> None:
    running = run_auth(max_sign_ins_per_name=2, max_sign_ins_per_address=3)
    person = visit(running)
    statuses = []
    for person.name in ("Ada", "Ada", "Ada", "Grace", "Nobody"):
        statuses.append(person.sign_in("wrong wrong").status_code)
    assert statuses == [401, 401, 429, 401, 429]


def test_many_attempts_at_once_are_no_way_around(run_auth: RunAuth, visit: Visit) -> None:
    running = run_auth()
    people = [visit(running) for _ in range(12)]
    for person in people:
        person.name = "Ada"
    with ThreadPoolExecutor(len(people)) as pool:
        statuses = list(pool.map(lambda person: person.sign_in("wrong wrong").status_code, people))
    assert sorted(statuses) == [401] * PER_NAME + [429] * (len(people) - PER_NAME)


async def test_a_success_forgets_the_failures_before_it(throttle: Throttle) -> None:
    for _ in range(4 * PER_ADDRESS):
        await throttle.begin("Ada", "192.0.2.1")
        await throttle.succeeded("Ada", "192.0.2.1")
    for _ in range(PER_NAME):
        await throttle.begin("Ada", "192.0.2.1")
    with pytest.raises(TooManyAttempts):
        await throttle.begin("Ada", "192.0.2.2")


@pytest.mark.parametrize(
    ("address", "same", "other"),
    [("192.0.2.1", "192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8:0:0:ffff::2", "2001:db8:0:1::1")],
)
async def test_one_address_tries_few_names(throttle: Throttle, address: str, same: str, other: str) -> None:
    for number in range(PER_ADDRESS):
        await throttle.begin(f"name {number}", address)
    with pytest.raises(TooManyAttempts):
        await throttle.begin("another", same)
    await throttle.begin("another", other)


async def test_attempts_count_for_a_while(throttle: Throttle, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000_000.0
    monkeypatch.setattr(time, "time", lambda: now)
    for _ in range(PER_NAME):
        await throttle.begin("Ada", "192.0.2.1")
        now += 10
    with pytest.raises(TooManyAttempts) as refused:
        await throttle.begin("Ada", "192.0.2.1")
    assert refused.value.retry_after == WINDOW_SECONDS - 10 * PER_NAME
    now += refused.value.retry_after
    await throttle.begin("Ada", "192.0.2.1")
    with pytest.raises(TooManyAttempts):
        await throttle.begin("Ada", "192.0.2.1")


async def test_two_processes_count_together(throttle: Throttle, tmp_path: Path) -> None:
    database = Database(tmp_path / "app.db", {"auth": MIGRATIONS})
    await database.open()
    other = Throttle(database, b"secret")
    tries = [each.begin("Ada", "192.0.2.1") for each in (throttle, other) for _ in range(PER_NAME)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert [isinstance(result, TooManyAttempts) for result in results].count(False) == PER_NAME
    await database.close()


async def test_what_was_typed_is_not_kept(throttle: Throttle, tmp_path: Path) -> None:
    await throttle.begin("my password by mistake", "192.0.2.1")
    kept = await asyncio.to_thread(lambda: b"".join(path.read_bytes() for path in tmp_path.iterdir()))
    assert b"my password" not in kept
    assert b"192.0.2.1" not in kept
