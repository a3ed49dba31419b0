"""Browsers that are known again."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import argon2
import pytest

from app.auth.accounts import Account, Accounts
from app.auth.devices import Devices
from app.database import Database
from app.project import PROJECT_SLUG
from app.settings import Settings
from app.users import User
from tests.auth.people import PASSWORD, Person
from tests.support import RunningApp, eventually

RunAuth = Callable[..., RunningApp]
Visit = Callable[..., Person]

ADA, GRACE = Account(User("1", "Ada"), "hash of Ada's"), Account(User("2", "Grace"), "hash of Grace's")


def lock_out(running: RunningApp, visit: Visit, name: str = "Ada") -> None:
    """Guesses until no guess is taken any more."""
    mallory = visit(running)
    mallory.name = name
    while mallory.sign_in("wrong wrong").status_code != 429:
        pass
    assert mallory.sign_in().status_code == 429


def test_wrong_passwords_of_others_lock_nobody_out_who_has_signed_in_with_this_browser(
    run_auth: RunAuth, visit: Visit
) -> None:
    running = run_auth(max_sign_ins_per_address=8)
    ada = visit(running, "Ada")
    ada.client.post("/api/auth/sign-out")
    lock_out(running, visit)
    lock_out(running, visit, "somebody else")  # and the address, which they share
    assert [ada.sign_in("mistyped").status_code for _ in range(3)] == [401] * 3
    assert ada.sign_in().status_code == 200
    assert [ada.sign_in("mistyped").status_code for _ in range(6)] == [401] * 5 + [429], "a browser guesses no faster"


def test_the_cookie_signs_nobody_in_and_says_nothing(run_auth: RunAuth, visit: Visit) -> None:
    ada = visit(run_auth(), "Ada")
    device = ada.client.cookies[f"{PROJECT_SLUG}-device"]
    for name in ("session", "device", "ticket"):
        assert ada.refresh(cookie=f"{PROJECT_SLUG}-{name}={device}").status_code == 401
    for headers in ({"authorization": f"Bearer {device}"}, {"cookie": f"{PROJECT_SLUG}-device={device}"}):
        assert ada.client.get("/api/jobs", headers=headers).status_code == 401
    user = ada.ask("POST", "/api/auth/refresh").json()["user"]
    assert user["id"] not in device
    assert "ada" not in device.lower()


def test_a_new_password_makes_all_browsers_strangers(
    run_auth: RunAuth, visit: Visit, settings: Callable[..., Settings]
) -> None:
    running = run_auth()
    ada = visit(running, "Ada")

    async def change() -> None:
        database = Database(settings().database)
        await database.open()
        await Accounts(database).set_password("Ada", PASSWORD[::-1])
        await database.close()

    asyncio.run(change())
    lock_out(running, visit)
    assert ada.sign_in(PASSWORD[::-1]).status_code == 429


def test_a_browser_is_known_for_each_of_its_users_and_for_nobody_else() -> None:
    devices, others = Devices(b"s" * 32), Devices(b"t" * 32)
    cookie = devices.remember("", ADA)
    both = devices.remember(cookie, GRACE)
    assert devices.find(cookie, ADA) == devices.find(both, ADA) is not None
    assert devices.find(both, GRACE) not in (None, devices.find(both, ADA))
    assert devices.find(cookie, GRACE) is None
    assert devices.find(f"{devices.remember('', GRACE)}~{cookie}", ADA), "one that was set beside it"
    assert devices.find(both, None) is None
    assert others.find(both, ADA) is None
    assert devices.find(both, Account(ADA.user, "another hash")) is None
    again = devices.remember(both, ADA)
    assert again.count("~") == 1
    for number in range(9):
        again = devices.remember(again, Account(User(f"u{number}", "x"), "hash"))
    assert devices.find(again, ADA) is None, "the last five"
    assert len(again) < 400


@pytest.mark.parametrize("cookie", ["", ".", "~", "a.b~c", "\udce4.x", "\u00e4", "~" * 9_000, "x" * 9_000])
def test_any_cookie_at_all_is_no_browser(cookie: str) -> None:
    devices = Devices(b"s" * 32)
    assert devices.find(cookie, ADA) is None
    assert devices.find(devices.remember(cookie, ADA), ADA)


def test_strangers_who_wait_for_their_passwords_hold_up_no_known_browser_and_no_thread_of_others(
    run_auth: RunAuth, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = run_auth(max_sign_ins_per_address=1000)
    ada = visit(running, "Ada")
    inside, go_on = threading.Event(), threading.Event()
    verify = argon2.PasswordHasher.verify

    def slow(self: Any, hashed: Any, password: Any) -> Any:
        if password == "wrong wrong":
            inside.set()
            assert go_on.wait(60)
        return verify(self, hashed, password)

    monkeypatch.setattr(argon2.PasswordHasher, "verify", slow)
    strangers = [visit(running) for _ in range(30)]
    for number, each in enumerate(strangers):
        each.name = f"name {number}"
    statuses: list[int] = []

    def guess(stranger: Person) -> None:
        statuses.append(stranger.sign_in("wrong wrong").status_code)

    with ThreadPoolExecutor(len(strangers)) as pool:
        guesses = [pool.submit(guess, stranger) for stranger in strangers]
        try:
            assert inside.wait(30)
            eventually(lambda: len(statuses) == 10, 30)  # no more than 20 wait
            assert set(statuses) == {429}
            assert ada.sign_in().status_code == 200
            assert ada.ask("GET", "/api/jobs").status_code == 200
        finally:
            go_on.set()
        for guessed in guesses:
            guessed.result(60)
    assert statuses[10:] == [401] * 20
