"""What is shown with a request: an access token in a header, or a ticket for one job in a cookie. Both are JWTs."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt

from app.errors import ApiError
from app.settings import MIN_SECRET, SettingsError
from app.users import User

__all__ = ["TICKET_SECONDS", "Permission", "Refused", "Tokens", "load_secret"]

TICKET_SECONDS = 60
"""How long a ticket can be used to connect. What it opens may last as long as the access token it was bought with."""

_ALGORITHM = "HS256"


@dataclass(frozen=True)
class Permission:
    """Who asks, in which session, and the Unix time until which they are believed. Whether the session is theirs, and
    not over, `Sessions` knows."""

    user: User
    session_id: str
    ends_at: float


class Refused(ApiError):
    """A token that does not hold: 401. The text says why, and what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(401, message, {"www-authenticate": "Bearer"})


class Tokens:
    """Makes tokens and reads them; nothing is stored.

    Arguments:
        secret: what they are signed with.
        seconds: how long an access token holds.
    """

    def __init__(self, secret: bytes, *, seconds: int) -> None:
        self._secret = secret
        self.seconds = seconds

    def access(self, user: User, session_id: str) -> str:
        """An access token of a session."""
        return self._sign("access", user, session_id, int(time.time()) + self.seconds)

    def read_access(self, token: str) -> Permission:
        """Who has shown an access token.

        Raises:
            Refused: it is none of ours, or has expired.
        """
        try:
            claims = self._read("access", token)
        except jwt.ExpiredSignatureError:
            raise Refused("the access token has expired: refresh it") from None
        except jwt.InvalidTokenError:
            raise Refused("this is no access token of this server: sign in") from None
        return Permission(User(claims["sub"], claims["name"]), claims["sid"], claims["exp"])

    def ticket(self, permission: Permission, job_id: str) -> str:
        """A ticket for one job."""
        expires = min(int(time.time()) + TICKET_SECONDS, int(permission.ends_at))
        more = {"job": job_id, "ends_at": permission.ends_at}
        return self._sign("ticket", permission.user, permission.session_id, expires, **more)

    def read_ticket(self, ticket: str, job_id: str) -> Permission:
        """Who has shown a ticket for a job.

        Raises:
            Refused: it is none of ours, has expired, or is for another job.
        """
        try:
            claims = self._read("ticket", ticket)
        except jwt.InvalidTokenError:
            claims = {}
        if claims.get("job") != job_id:
            raise Refused("the ticket has expired, or is not for this: get one for this job")
        return Permission(User(claims["sub"], claims["name"]), claims["sid"], claims["ends_at"])

    def _sign(self, audience: str, user: User, session_id: str, expires: int, **more: Any) -> str:
        claims = {"aud": audience, "sub": user.id, "name": user.name, "sid": session_id, "exp": expires, **more}
        return jwt.encode(claims, self._secret, _ALGORITHM)

    def _read(self, audience: str, token: str) -> dict[str, Any]:
        claims: dict[str, Any] = jwt.decode(
            token, self._secret, [_ALGORITHM], {"require": ["aud", "sub", "sid", "exp"]}, audience=audience
        )
        return claims


def load_secret(given: str | None, directory: Path) -> bytes:
    """The secret of this app: the one that was given, else the one in `directory`, made where there is none.

    All servers that use the directory have the same one. Nobody but their user can read it.
    """
    if given is not None:
        return given.encode()
    path = directory / "auth-secret"
    if not path.exists():
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Written whole and then given its name: of several servers that start at once one is first.
        with tempfile.NamedTemporaryFile(dir=directory, prefix=".auth-secret-") as file:  # mode 0600
            file.write(secrets.token_hex(32).encode())
            file.flush()
            os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):
                os.link(file.name, path)
    secret = path.read_bytes()
    if len(secret) < MIN_SECRET:
        raise SettingsError(
            f"{path} holds {len(secret)} bytes, which is no secret: delete it (everybody has to sign in again then)."
        )
    return secret
