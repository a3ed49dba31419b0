"""How passwords are kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import argon2
import pytest
from sqlalchemy import select

from app.auth.accounts import Accounts
from app.auth.models import UserRow
from app.database import Database
from app.settings import Settings
from tests.auth.people import PASSWORD, add_users


def test_a_hash_is_as_strong_as_rfc_9106_wants_and_a_weaker_one_is_made_anew(
    settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    add_users(settings(), "Ada")
    monkeypatch.setattr("app.auth.accounts.PasswordHasher", argon2.PasswordHasher)

    async def hashes() -> list[str]:
        database = Database(settings().database)
        await database.open()
        accounts = Accounts(database)
        await accounts.open()
        found = []
        for password in (None, "a wrong one", PASSWORD):
            if password is not None:
                await accounts.verify(await accounts.find("Ada"), password)
            row = await database.read(lambda session: session.execute(select(UserRow.password)).one())
            found.append(str(row[0]).rpartition("$")[0].rpartition("$")[0])
        await database.close()
        return found

    weak, after_a_wrong_one, after_the_right_one = asyncio.run(hashes())
    assert (weak, after_a_wrong_one) == ("$argon2id$v=19$m=64,t=1,p=1",) * 2
    assert after_the_right_one == "$argon2id$v=19$m=65536,t=3,p=4", "RFC 9106, section 4: the second choice"
