"""How often a password may be tried."""

from __future__ import annotations

import hmac
import ipaddress
import math
import sqlite3
import time

from app.auth.accounts import fold
from app.database import Database

__all__ = ["Throttle", "TooManyAttempts"]

WINDOW_SECONDS = 300.0
"""For how long an attempt counts."""


class TooManyAttempts(Exception):
    """No further attempt is taken now. `retry_after`: the seconds until there is one, at least 1."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"too many attempts to sign in: try again in {retry_after} s")
        self.retry_after = retry_after


class Throttle:
    """Counts the attempts to sign in, in the database: the limits hold over all processes, and over a restart.

    An attempt counts from its start, so that many at once do not slip through, and no longer once it has succeeded.
    Names and addresses are kept as keyed hashes: what people type in place of their name may be their password.

    Arguments:
        database: where.
        secret: the key of the hashes.
        per_name, per_address: how many failed attempts there may be within WINDOW_SECONDS for one name and from one
            address (MAX_SIGN_INS_PER_NAME, MAX_SIGN_INS_PER_ADDRESS).
    """

    def __init__(self, database: Database, secret: bytes, *, per_name: int = 5, per_address: int = 30) -> None:
        self._database = database
        self._secret = secret
        self._per_name = per_name
        self._per_address = per_address

    async def begin(self, name: str, address: str) -> None:
        """Counts an attempt.

        Raises:
            TooManyAttempts: there were too many for this name, or from this address. It is not counted.
        """
        limits = (
            (self._key("name", fold(name)), self._per_name),
            (self._key("address", _network(address)), self._per_address),
        )

        def insert(connection: sqlite3.Connection) -> float | None:
            now = time.time()
            connection.execute("DELETE FROM auth_attempts WHERE at <= ?", (now - WINDOW_SECONDS,))
            latest = "SELECT at FROM auth_attempts WHERE key = ? ORDER BY at DESC LIMIT 1 OFFSET ?"
            rows = [connection.execute(latest, (key, limit - 1)).fetchone() for key, limit in limits]
            free_at = max((row["at"] + WINDOW_SECONDS for row in rows if row is not None), default=None)
            if free_at is not None:
                return float(free_at - now)
            connection.executemany(
                "INSERT INTO auth_attempts (key, at) VALUES (?, ?)", [(key, now) for key, _ in limits]
            )
            return None

        wait = await self._database.write(insert)
        if wait is not None:
            raise TooManyAttempts(max(1, math.ceil(wait)))

    async def succeeded(self, name: str, address: str) -> None:
        """Forgets the attempts for this name, and one from this address."""
        name_key, address_key = self._key("name", fold(name)), self._key("address", _network(address))

        def delete(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM auth_attempts WHERE key = ?", (name_key,))
            connection.execute(
                "DELETE FROM auth_attempts WHERE position = (SELECT max(position) FROM auth_attempts WHERE key = ?)",
                (address_key,),
            )

        await self._database.write(delete)

    def _key(self, kind: str, value: str) -> bytes:
        return hmac.digest(self._secret, f"{kind} {value}".encode("utf-8", "surrogatepass"), "sha256")


def _network(address: str) -> str:
    """The address; of IPv6 the network, since one subscriber has all of its addresses."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((parsed, 64), strict=False)) if parsed.version == 6 else address
