from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import argon2
import pytest

from app.settings import Settings
from tests.auth.people import FEATURES, Person, add_users
from tests.support import RunningApp


@pytest.fixture(autouse=True)
def _passwords_are_hashed_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """A good hash takes a quarter of a second of processor; test_accounts.py has the test of how good it is."""
    weak = partial(argon2.PasswordHasher, time_cost=1, memory_cost=64, parallelism=1)
    monkeypatch.setattr("app.auth.accounts.PasswordHasher", weak)


@pytest.fixture
def run_auth(run_app: Callable[..., RunningApp], settings: Callable[..., Settings]) -> Callable[..., RunningApp]:
    """Starts an app that Ada and Grace can sign in to; takes the settings that differ from the defaults."""
    made: list[bool] = []

    def run(**values: Any) -> RunningApp:
        if not made:
            add_users(settings(), "Ada", "Grace")
            made.append(True)
        return run_app(features=FEATURES, auth="jwt", streamator_store="memory", **values)

    return run


@pytest.fixture
def visit() -> Iterator[Callable[..., Person]]:
    """Makes somebody with a browser at a running app; signs them in where they have a name."""
    people: list[Person] = []

    def come(running: RunningApp, name: str = "") -> Person:
        person = Person(running, name)
        people.append(person)
        if name:
            assert person.sign_in().status_code == 200
        return person

    yield come
    for person in people:
        person.client.close()
