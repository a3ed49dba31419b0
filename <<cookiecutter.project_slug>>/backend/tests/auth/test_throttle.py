"""How often a password may be tried."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.auth.models import Attempt
from app.auth.throttle import LONGEST_SECONDS, Throttle, TooManyAttempts
from app.database import Database
from tests.auth.people import Person
from tests.support import RunningApp

pytestmark = pytest.mark.anyio

PER_NAME, PER_ADDRESS = 5, 30

RunAuth = Callable[..., RunningApp]
Visit = Callable[..., Person]


@pytest.fixture
def throttle(database: Database) -> Throttle:
    return Throttle(database, b"secret", per_name=PER_NAME, per_address=PER_ADDRESS)


class Clock:
    """The time of a test, which passes when it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_000_000.0
        monkeypatch.setattr(time, "time", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_after_five_wrong_passwords_the_right_one_waits_too(run_auth: RunAuth, visit: Visit) -> None:
    running = run_auth()
    ada, grace = visit(running), visit(running)
    ada.name, grace.name = "Ada", "Grace"
    for name in ("Ada", "ADA", " ada", "Ada", "\uff21da"):
        ada.name = name
        assert ada.sign_in("wrong wrong").status_code == 401
    answer = ada.sign_in()
    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= 10
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


async def test_a_success_forgets_the_failures_before_it(throttle: Throttle, clock: Clock) -> None:
    for _ in range(4 * PER_ADDRESS):
        await throttle.begin("Ada", "192.0.2.1")
        await throttle.succeeded("Ada", "192.0.2.1")
    for _ in range(PER_NAME):
        await throttle.begin("Ada", "192.0.2.1")
    with pytest.raises(TooManyAttempts):
        await throttle.begin("Ada", "192.0.2.2")
    await throttle.begin("Ada", "198.51.100.2")


async def wait_of(throttle: Throttle, name: str, address: str, device: str | None = None) -> int:
    """Tries once; gives the seconds to wait, 0 where the attempt was taken."""
    try:
        await throttle.begin(name, address, device)
    except TooManyAttempts as refused:
        return refused.retry_after
    return 0


async def taken(throttle: Throttle, addresses: Iterable[str], name: str = "Ada") -> int:
    """How many attempts are taken, one from each address."""
    return [await wait_of(throttle, name, address) for address in addresses].count(0)


@pytest.mark.parametrize(
    ("pattern", "times"),
    [
        ("192.0.2.1", 1),
        ("192.0.2.{}", 4),
        ("::ffff:192.0.2.{}", 4),
        ("192.0.{}.1", 16),
        ("2001:db8::{:x}", 1),
        ("2001:db8:0:{:x}::1", 2),  # the networks of a /56
        ("2001:db8:0:{:x}00::1", 4),  # of a /48
        ("2001:db8:{:x}::1", 16),  # of a /32
    ],
)
async def test_a_network_tries_few_names_whatever_addresses_it_has(
    throttle: Throttle, clock: Clock, pattern: str, times: int
) -> None:
    tries = [
        await wait_of(throttle, f"name {number}", pattern.format(number % 250)) for number in range(PER_ADDRESS * 20)
    ]
    assert tries.count(0) == PER_ADDRESS * times
    assert await wait_of(throttle, "another", "198.51.100.1") == 0
    assert await wait_of(throttle, "another", "2001:db9::1") == 0


async def test_each_wrong_password_waits_twice_as_long_as_the_one_before_and_never_more_than_an_hour(
    throttle: Throttle, clock: Clock
) -> None:
    waits = []
    for _ in range(PER_NAME + 12):
        wait = await wait_of(throttle, "Ada", "192.0.2.1")
        waits.append(wait)
        clock.now += wait + 0.001
        assert not wait or await wait_of(throttle, "Ada", "192.0.2.99") == 0, "after the wait it is taken"
    assert waits[:PER_NAME] == [0] * PER_NAME
    assert waits[PER_NAME:] == [min(10 * 2**number, LONGEST_SECONDS) for number in range(12)]
    clock.now += 4 * 86_400
    assert await wait_of(throttle, "Ada", "192.0.2.1") == 0


async def test_who_has_signed_in_here_before_is_held_up_by_nobody(throttle: Throttle, clock: Clock) -> None:
    everywhere = [f"{first}.{second}.0.1" for first in range(1, 20) for second in range(200)]
    await taken(throttle, everywhere)
    assert await wait_of(throttle, "Ada", "1.1.0.1") > 0
    assert [await wait_of(throttle, "Ada", "1.1.0.1", "mark") for _ in range(PER_NAME + 1)] == [0] * PER_NAME + [10]
    assert await wait_of(throttle, "Ada", "1.1.0.1", "another mark") == 0
    await throttle.succeeded("Ada", "1.1.0.1", "another mark")
    assert await wait_of(throttle, "Ada", "1.1.0.1", "mark") > 0, "each by its own count"


async def test_from_a_new_browser_one_waits_for_nobody_while_a_hundred_networks_guess_without_end(
    throttle: Throttle, clock: Clock
) -> None:
    networks = [f"{first}.{second}.0.1" for first in range(1, 11) for second in range(10)]
    guesses = []
    for minute in range(120):
        guesses.append(await taken(throttle, networks * 3))
        if minute % 10 == 0:
            assert await wait_of(throttle, "Ada", f"100.{minute}.0.1") == 0, f"after {minute} min"
            await throttle.succeeded("Ada", f"100.{minute}.0.1")
        clock.now += 60
    assert sum(guesses[:60]) <= 2 * 50 * PER_NAME
    assert sum(guesses[60:]) <= 50 * PER_NAME


async def test_a_provider_s_networks_are_no_many_networks(throttle: Throttle, clock: Clock) -> None:
    for pattern in ("2001:db8:{:x}::1", "203.0.{}.1"):
        assert await taken(throttle, (pattern.format(number) for number in range(200))) == 50 * PER_NAME // 8
    assert await wait_of(throttle, "Ada", "198.51.100.1") == 0


async def test_so_many_guesses_are_taken_for_a_name_in_an_hour_from_however_many_addresses(
    throttle: Throttle, clock: Clock
) -> None:
    size = 50 * PER_NAME
    fresh = iter([f"{first}.{second}.0.1" for first in range(1, 40) for second in range(250)])
    assert await taken(throttle, itertools.islice(fresh, 2 * size)) == size
    within = 0
    for _ in range(20):
        clock.now += 180
        within += await taken(throttle, itertools.islice(fresh, 100))
    assert within == size
    assert await taken(throttle, itertools.islice(fresh, 5), "Grace") == 5, "another name is not touched"


async def test_no_flood_makes_it_keep_more_than_so_much(database: Database, clock: Clock) -> None:
    throttle = Throttle(database, b"secret", kept=500)
    for number in range(300):
        clock.now += 0.1
        await wait_of(throttle, f"name {number}", f"{number % 200 + 1}.{number // 200}.0.1")
    rows = await database.read(lambda session: session.query(Attempt).count())
    assert 0 < rows <= 500 + 100 * 6
    clock.now += 5 * 86_400
    for number in range(100):
        await wait_of(throttle, f"later {number}", f"{number + 1}.9.0.1")
    rows = await database.read(lambda session: session.query(Attempt).count())
    assert rows == 100 * 6


async def test_two_processes_count_together(throttle: Throttle, database_url: str) -> None:
    database = Database(database_url)
    await database.open()
    other = Throttle(database, b"secret")
    tries = [each.begin("Ada", "192.0.2.1") for each in (throttle, other) for _ in range(PER_NAME)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert [isinstance(result, TooManyAttempts) for result in results].count(False) == PER_NAME
    await database.close()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_what_was_typed_is_not_kept(throttle: Throttle, tmp_path: Path) -> None:
    await throttle.begin("my password by mistake", "192.0.2.1")
    kept = await asyncio.to_thread(lambda: b"".join(path.read_bytes() for path in tmp_path.glob("data/app.db*")))
    assert kept
    assert b"my password" not in kept
    assert b"192.0.2.1" not in kept
