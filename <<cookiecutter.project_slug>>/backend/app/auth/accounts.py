"""The users and their passwords."""

from __future__ import annotations

import asyncio
import re
import secrets
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.auth.models import StoredSession, UserRow
from app.database import Database
from app.users import User

__all__ = ["Account", "AccountError", "Accounts", "fold"]

MIN_PASSWORD = 8
MAX_PASSWORD = 1_024
MAX_NAME = 64


class AccountError(Exception):
    """A user cannot be made or found: the text says why."""


@dataclass(frozen=True)
class Account:
    """A user, and the hash of their password."""

    user: User
    password: str = field(repr=False)


class Accounts:
    """The users in the database. Names are compared as people read them: without regard to case.

    A hash takes 64 MiB and some 50 ms of several cores. One at a time is made for strangers, and one for those who are
    known: they do not wait for each other, and nothing else waits for either.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._hasher = PasswordHasher()
        self._hashing = {known: ThreadPoolExecutor(1, thread_name_prefix="argon2") for known in (False, True)}
        self._nobody = ""

    async def open(self) -> None:
        """Makes ready to verify passwords."""
        # What the password of an unknown user is compared with, so that the answer takes as long.
        self._nobody = await self._hash(secrets.token_hex())

    async def count(self) -> int:
        """How many users there are."""
        statement = select(func.count()).select_from(UserRow)
        return await self._database.read(lambda session: session.scalars(statement).one(), lane="auth")

    async def find(self, name: str) -> Account | None:
        """The account of this name, or None."""
        statement = select(UserRow).where(UserRow.folded == fold(name))
        row = await self._database.read(lambda session: session.scalar(statement), lane="auth")
        return Account(User(row.id, row.name), row.password) if row is not None else None

    async def verify(self, account: Account | None, password: str, *, known: bool = False) -> Account | None:
        """The account as it is now, where this is its password; else None. Takes as long for no account as for a wrong
        password.

        Arguments:
            account: as it was found.
            password: what is tried.
            known: whether it comes from a browser that the user has signed in with before.
        """
        hashed = account.password if account is not None else self._nobody
        fits = await asyncio.get_running_loop().run_in_executor(self._hashing[known], self._fits, hashed, password)
        if account is None or not fits:
            return None
        if self._hasher.check_needs_rehash(hashed):  # made by an older version, with weaker parameters
            account = replace(account, password=await self._store_password(account.user.id, password))
        return account

    async def add(self, name: str, password: str) -> User:
        """Makes a user.

        Raises:
            AccountError: the name or the password cannot be used, or the name is taken.
        """
        shown = unicodedata.normalize("NFC", name.strip())
        if not shown or len(shown) > MAX_NAME or not shown.isprintable():
            raise AccountError(f"{name!r} is no name for a user: use 1 to {MAX_NAME} characters that can be printed")
        _check(password)
        user = User(secrets.token_hex(8), shown)
        row = UserRow(
            id=user.id,
            name=user.name,
            folded=fold(name),
            password=await self._hash(password),
            created_at=datetime.now(timezone.utc),
        )
        try:
            await self._database.write(lambda session: session.add(row))
        except IntegrityError:
            raise AccountError(f"there is a user {shown!r} already: choose another name") from None
        return user

    async def set_password(self, name: str, password: str) -> User:
        """Gives a user another password, and ends all their sessions.

        Raises:
            AccountError: there is no such user, or the password cannot be used.
        """
        _check(password)
        user = await self._known(name)
        await self._store_password(user.id, password, end_sessions=True)
        return user

    async def remove(self, name: str) -> User:
        """Removes a user, and ends all their sessions.

        Raises:
            AccountError: there is no such user.
        """
        user = await self._known(name)
        statement = delete(UserRow).where(UserRow.id == user.id)
        await self._database.write(lambda session: session.execute(statement))
        return user

    async def _known(self, name: str) -> User:
        account = await self.find(name)
        if account is None:
            raise AccountError(f"there is no user {name!r}")
        return account.user

    async def _store_password(self, user_id: str, password: str, *, end_sessions: bool = False) -> str:
        hashed = await self._hash(password)

        def store(session: Session) -> None:
            session.execute(update(UserRow).where(UserRow.id == user_id).values(password=hashed))
            if end_sessions:
                session.execute(delete(StoredSession).where(StoredSession.user_id == user_id))

        await self._database.write(store)
        return hashed

    async def _hash(self, password: str) -> str:
        return await asyncio.get_running_loop().run_in_executor(self._hashing[True], self._hasher.hash, password)

    def _fits(self, hashed: str, password: str) -> bool:
        try:
            return self._hasher.verify(hashed, password)
        except VerifyMismatchError:
            return False


def fold(name: str) -> str:
    """A name as it is compared: without regard to case, width and spaces."""
    return re.sub(r"\s+", " ", unicodedata.normalize("NFKC", name).strip()).casefold()


def _check(password: str) -> None:
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise AccountError(f"the password has {len(password)} characters: use {MIN_PASSWORD} to {MAX_PASSWORD} of them")
