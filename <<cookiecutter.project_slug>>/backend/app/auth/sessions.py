"""Sessions: what outlives the access tokens, kept by the browser as a cookie that changes at each use."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import logging
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import delete, insert, or_, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session as DatabaseSession

from app.auth.models import StoredSession, UserRow
from app.database import Database
from app.errors import ApiError
from app.users import User

__all__ = ["Session", "SessionWatch", "Sessions"]

logger = logging.getLogger(__name__)

_DAY_SECONDS = 86_400
_WATCH_SECONDS = 1.0


@dataclass(frozen=True)
class Session:
    """A user, and the refresh token with which they come back."""

    user: User
    token: str

    @property
    def id(self) -> str:
        """What names the session as long as it lasts. Access tokens and tickets hold it: it opens and ends nothing."""
        return _id_of(self.token)


class Sessions:
    """The sessions in the database: of a refresh token there is only a hash.

    A refresh token is good for one use, which gives the next. One that was used before ends its session: it is not
    known which of the two who have shown it is the user. A browser that got no answer may send the same request
    again: it comes with the same `attempt`, which whoever has only the token does not know, and gets the same
    answer, as long as the token in it was not used.

    A token is signed, so that all that were ever given out are known without being kept.

    Guarantee: what was never given out ends no session, whatever it names.

    Arguments:
        database: where.
        secret: the key that tokens are signed with, and from which the next is made.
        days: after so many days without use a session is over.
        kept: how many a user may have (MAX_SESSIONS_PER_USER); the one unused for longest goes first.
    """

    def __init__(self, database: Database, secret: bytes, *, days: int, kept: int = 100) -> None:
        self._database = database
        self._secret = secret
        self._kept = kept
        self.seconds = days * _DAY_SECONDS

    async def begin(self, user: User) -> Session:
        """Makes a session."""
        session = Session(user, self._signed(f"{secrets.token_urlsafe(16)}.{secrets.token_urlsafe(32)}"))

        def add(database: DatabaseSession) -> None:
            now = time.time()
            database.execute(delete(StoredSession).where(StoredSession.expires_at <= now))
            row = {"id": session.id, "user_id": user.id, "current": _hash(session.token)}
            database.execute(insert(StoredSession).values(**row, expires_at=now + self.seconds))
            newest = select(StoredSession.id).where(StoredSession.user_id == user.id)
            past = newest.order_by(StoredSession.expires_at.desc()).offset(self._kept)
            database.execute(delete(StoredSession).where(StoredSession.id.in_(past)))

        await self._database.write(add)
        return session

    async def refresh(self, token: str, attempt: str = "") -> Session | None:
        """Exchanges a refresh token for the next; None where its session is over, or is ended now.

        Arguments:
            token: the refresh token.
            attempt: names the request, the same whenever it is sent again (default: it is not sent again).
        """
        given, named = _hash(token), _hash(attempt) if attempt else None
        following = self._signed(
            f"{token.partition('.')[0]}.{self._digest(f'{token} {attempt or secrets.token_hex()}')}"
        )
        session_id = _id_of(token)

        def exchange(database: DatabaseSession) -> Session | None:
            now = time.time()
            known = select(StoredSession, UserRow.name).join(UserRow, UserRow.id == StoredSession.user_id)
            found = database.execute(
                known.where(StoredSession.id == session_id, StoredSession.expires_at > now).with_for_update(
                    of=StoredSession
                )
            ).one_or_none()
            if found is None:
                return None
            row, name = found
            session = Session(User(row.user_id, name), following)
            if hmac.compare_digest(row.current, given):
                row.current, row.previous, row.attempt = _hash(following), given, named
                row.expires_at = now + self.seconds
                return session
            if row.previous == given and named is not None and row.attempt == named:
                return session
            if row.previous == given or self._is_ours(token):
                database.delete(row)
                logger.warning("a refresh token of %r was used twice: the session is ended", name)
            return None

        return await self._database.write(exchange)

    async def owners(self, session_ids: Iterable[str]) -> dict[str, str]:
        """Those of these sessions that are not over (not ended, not unused for too long, and their user is there), each
        with the id of its user."""
        statement = select(StoredSession.id, StoredSession.user_id).where(
            StoredSession.expires_at > time.time(), StoredSession.id.in_(list(session_ids))
        )
        rows = await self._database.read(lambda database: database.execute(statement).all(), lane="auth")
        return {row.id: row.user_id for row in rows}

    async def end(self, token: str) -> None:
        """Ends the session of a refresh token, if it is one that was given out last or before that."""
        given = _hash(token)
        statement = delete(StoredSession).where(
            StoredSession.id == _id_of(token), or_(StoredSession.current == given, StoredSession.previous == given)
        )
        await self._database.write(lambda database: database.execute(statement))

    def _signed(self, text: str) -> str:
        return f"{text}.{self._digest(f'refresh {text}')}"

    def _is_ours(self, token: str) -> bool:
        return hmac.compare_digest(_encode(self._signed(token.rpartition(".")[0])), _encode(token))

    def _digest(self, text: str) -> str:
        return _letters(hmac.digest(self._secret, _encode(text), "sha256"))


class SessionWatch:
    """Tells open streams that their session is over, whichever server has ended it. It asks the database once a second,
    for all of them together, and not at all while there are none.

    Arguments:
        sessions: the sessions.
    """

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._asked: set[str] = set()
        self._over: set[str] = set()

    def over(self, session_id: str) -> bool:
        """Whether a session is over. It is known some two seconds after the first question: keep asking."""
        self._asked.add(session_id)
        return session_id in self._over

    async def run(self) -> None:
        """Watches until it is cancelled."""
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            asked, self._asked = self._asked, set()
            if not asked:
                continue
            try:
                self._over = asked - (await self._sessions.owners(asked)).keys()
            except (SQLAlchemyError, ApiError) as error:  # the tokens of these streams end all the same
                logger.warning("whether sessions are over cannot be read (%s): trying again", error)


def _id_of(token: str) -> str:
    """The id of a token's session: it does not tell the first part of the token, by which the session is found."""
    return _letters(_hash(token.partition(".")[0])[:16])


def _hash(text: str) -> bytes:
    return hashlib.sha256(_encode(text)).digest()


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")  # half a character may be in a cookie


def _letters(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
