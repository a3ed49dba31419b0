"""How often a password may be tried."""

from __future__ import annotations

import hmac
import ipaddress
import math
import time
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.auth.accounts import fold
from app.auth.models import Attempt
from app.database import Database

__all__ = ["LONGEST_SECONDS", "Throttle", "TooManyAttempts"]

FIRST_SECONDS = 10.0
"""What the first attempt past the free ones waits; each after it twice as long."""

LONGEST_SECONDS = 3_600.0
"""What any attempt waits at most."""

_WINDOW_SECONDS = 300.0  # MAX_SIGN_INS_PER_ADDRESS is for so long
_FORGIVEN_SECONDS = 6 * 3_600.0  # after so long one of the attempts for a name is forgotten
_DOUBLINGS = 9  # by which FIRST_SECONDS becomes LONGEST_SECONDS
_KEPT_SECONDS = 4 * 86_400.0  # by then all are

# How many bits of an address are counted together, and how many times MAX_SIGN_INS_PER_ADDRESS they may: an IPv4
# address and the networks around it; a subscriber's networks of IPv6, a site's, a provider's. One who has a larger one
# has all of the smaller ones in it.
_NETWORKS = {4: ((32, 1), (24, 4), (16, 16)), 6: ((64, 1), (56, 2), (48, 4), (32, 16))}


class TooManyAttempts(Exception):
    """No further attempt is taken now. `retry_after`: the seconds until there is one, at least 1."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"too many attempts to sign in: try again in {retry_after} s")
        self.retry_after = retry_after


@dataclass(frozen=True)
class _Limit:
    """A leaky bucket: `size` attempts, of which one is forgotten each `seconds`. One that grows is never full: past its
    size each attempt waits twice as long as the one before."""

    key: bytes
    size: float
    seconds: float
    grows: bool = False

    def level(self, counted: float, age: float) -> float:
        """How many attempts still count: `counted` did when the last one was made, `age` seconds ago."""
        return max(0.0, counted - age / self.seconds)

    def wait(self, counted: float, age: float) -> float:
        """The seconds until the next."""
        if not self.grows:
            return (counted + 1 - self.size) * self.seconds - age
        past = math.ceil(counted) - self.size  # a part of one counts as one: some of each is forgotten soon
        return min(LONGEST_SECONDS, FIRST_SECONDS * 2**past) - age if past >= 0 else 0.0

    def next(self, counted: float, age: float) -> float:
        """How many count after one more."""
        return min(self.level(counted, age) + 1, self.size + _DOUBLINGS)


class Throttle:
    """Counts the attempts to sign in, in the database: the limits hold over all processes, and over a restart.

    It slows down those who guess, and not whom they guess at:

    - A browser that has signed in with a name before (`Devices`) has a count of its own for it, and no other: nothing
      that a stranger does makes it wait. Its first `per_name` wrong passwords are free; then each waits twice as long,
      from 10 s to an hour.
    - From elsewhere the same goes for each name and network (a /24 of IPv4, a /48 of IPv6): nobody is locked out for
      good, and one network gets at most `per_name` + 9 guesses in the first hour, and about one in each after it.
    - For a name, all networks together have 50 times `per_name` guesses, and as many more within each hour: so many are
      checked at most, from however many addresses. Half of them are for networks that have not failed with this name,
      and no /16 or /32 has more than an eighth: who comes from a new browser with the right password waits for others
      only as long as they fail from more than 25 times `per_name` networks, in several of those, and each network helps
      them once in six hours. That bound is not absolute, and cannot be: with still more networks at hand strangers look
      like the user to anything but the password, and to check all of them would be no limit.
    - Each address, and each network around it, may fail `per_address` times in 5 minutes with all names together,
      larger networks some times as often: one password is not tried with all names.

    An attempt counts from its start, so that many at once do not slip through, and no longer once it has succeeded. One
    that is refused does not count. Names and addresses are kept as keyed hashes: what people type in place of their
    name may be their password.

    Arguments:
        database: where.
        secret: the key of the hashes.
        per_name, per_address: see above (MAX_SIGN_INS_PER_NAME, MAX_SIGN_INS_PER_ADDRESS).
        kept: the rows at most, about 100 bytes each; past it those go whose last attempt is the oldest.
    """

    def __init__(
        self, database: Database, secret: bytes, *, per_name: int = 5, per_address: int = 30, kept: int = 200_000
    ) -> None:
        self._database = database
        self._secret = secret
        self._per_name = per_name
        self._per_address = per_address
        self._kept = kept
        self._begun = 0

    async def begin(self, name: str, address: str, device: str | None = None) -> None:
        """Counts an attempt.

        Arguments:
            name, address: with which, and from where.
            device: the mark of a browser that has signed in with this name before.

        Raises:
            TooManyAttempts: it has to wait. It is not counted.
        """
        limits = self._limits(name, address, device)
        prunes = self._begun % 100 == 0  # to look at all rows takes some milliseconds
        self._begun += 1

        def count(session: Session) -> float:
            now = time.time()
            if prunes:
                self._prune(session, now)
            rows = _counted(session, limits)
            counted = [
                (row.level, max(0.0, now - row.at)) if (row := rows.get(limit.key)) is not None else (0.0, 0.0)
                for limit in limits
            ]
            if device is None and limits[1].level(*counted[1]) > 0:
                limits[0] = _Limit(limits[0].key, limits[0].size / 2, limits[0].seconds)
            wait = max(limit.wait(*each) for limit, each in zip(limits, counted, strict=True))
            if wait <= 0:
                for limit, each in zip(limits, counted, strict=True):
                    row = rows.setdefault(limit.key, Attempt(key=limit.key))
                    row.level, row.at = limit.next(*each), now
                session.add_all(rows.values())
            return wait

        wait = await self._database.write(count, lock="sign-in")
        if wait > 0:
            raise TooManyAttempts(max(1, math.ceil(wait)))

    async def succeeded(self, name: str, address: str, device: str | None = None) -> None:
        """Takes an attempt back, and forgets those of this network or device for this name before it."""
        limits = self._limits(name, address, device)
        forgotten = {limit.key for limit in limits if limit.grows}

        def forget(session: Session) -> None:
            for row in _counted(session, limits).values():
                row.level -= 1
                if row.level <= 0 or row.key in forgotten:
                    session.delete(row)

        await self._database.write(forget, lock="sign-in")

    def _limits(self, name: str, address: str, device: str | None) -> list[_Limit]:
        name = fold(name)
        if device is not None:
            return [self._growing(f"device {device} {name}")]
        networks = _networks(address)
        (site, _), (region, _) = networks[-2:]
        size = 50 * self._per_name
        hourly = 3_600 / size
        return [
            _Limit(self._key(f"name {name}"), size, hourly),
            self._growing(f"name in {site} {name}"),
            _Limit(self._key(f"name in {region} {name}"), size / 8, hourly * 8),
            *(
                _Limit(
                    self._key(f"network {network}"),
                    self._per_address * times,
                    _WINDOW_SECONDS / self._per_address / times,
                )
                for network, times in networks
            ),
        ]

    def _growing(self, what: str) -> _Limit:
        return _Limit(self._key(what), self._per_name, _FORGIVEN_SECONDS, grows=True)

    def _prune(self, session: Session, now: float) -> None:
        session.execute(delete(Attempt).where(Attempt.at <= now - _KEPT_SECONDS))
        oldest = select(Attempt.at).order_by(Attempt.at.desc()).limit(1).offset(self._kept).scalar_subquery()
        session.execute(delete(Attempt).where(Attempt.at <= oldest))

    def _key(self, text: str) -> bytes:
        return hmac.digest(self._secret, text.encode("utf-8", "surrogatepass"), "sha256")


def _counted(session: Session, limits: Iterable[_Limit]) -> dict[bytes, Attempt]:
    """What counts for these limits, by their keys, in one query: while it is done, other attempts wait."""
    keys = [limit.key for limit in limits]
    return {row.key: row for row in session.scalars(select(Attempt).where(Attempt.key.in_(keys)))}


def _networks(address: str) -> list[tuple[str, int]]:
    """The networks that an address is in, from the smallest, and how many times as many attempts each may."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:  # a Unix socket has none: all that come by it are one
        return [(address, 1), (address, 1)]
    if parsed.version == 6 and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return [
        (str(ipaddress.ip_network((parsed, bits), strict=False)), times) for bits, times in _NETWORKS[parsed.version]
    ]
