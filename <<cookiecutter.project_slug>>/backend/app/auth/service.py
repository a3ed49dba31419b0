"""All of sign-in in a running app."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter

from app.auth.accounts import Accounts
from app.auth.devices import Devices
from app.auth.sessions import Session, Sessions, SessionWatch
from app.auth.throttle import Throttle, TooManyAttempts
from app.auth.tokens import Permission, Refused, Tokens, load_secret
from app.feature import Services

__all__ = ["Auth"]

logger = logging.getLogger(__name__)

# So many passwords wait to be verified, of strangers and of those who are known: a second or two for the last.
_AT_ONCE = 20
_BUSY_SECONDS = 5


class Auth:
    """What the routes and the gate share. `app.state.auth` has one with AUTH=jwt, and None with AUTH=none."""

    def __init__(
        self, accounts: Accounts, throttle: Throttle, devices: Devices, sessions: Sessions, tokens: Tokens
    ) -> None:
        self._accounts = accounts
        self._throttle = throttle
        self._devices = devices
        self._signing_in: Counter[bool] = Counter()
        self.sessions = sessions
        self.watch = SessionWatch(sessions)
        self.tokens = tokens

    @classmethod
    async def open(cls, services: Services) -> Auth:
        """Makes it ready, and says so where nobody can sign in yet."""
        settings, database = services.settings, services.database
        secret = await asyncio.to_thread(load_secret, settings.auth_secret, settings.data_dir)
        accounts = Accounts(database)
        await accounts.open()
        if not await accounts.count():
            logger.warning("AUTH=jwt, and there is no user yet: make one with `python -m app.auth add-user NAME`")
        return cls(
            accounts,
            Throttle(
                database,
                secret,
                per_name=settings.max_sign_ins_per_name,
                per_address=settings.max_sign_ins_per_address,
            ),
            Devices(secret),
            Sessions(database, secret, days=settings.auth_session_days, kept=settings.max_sessions_per_user),
            Tokens(secret, seconds=settings.auth_token_seconds),
        )

    async def check(self, permission: Permission) -> None:
        """Holds a permission against the sessions: a token is signed for minutes, and a session may end before.

        Raises:
            Refused: its session is over, or not its user's.
        """
        owners = await self.sessions.owners([permission.session_id])
        if owners.get(permission.session_id) != permission.user.id:
            raise Refused("the session of this token is over: sign in")

    async def sign_in(self, name: str, password: str, *, address: str, device: str = "") -> tuple[Session, str] | None:
        """Begins a session for who has this name and this password; None where nobody has.

        Arguments:
            name, password: what was typed.
            address: where the request comes from.
            device: what an earlier sign-in has given this browser to keep.

        Returns:
            the session, and what the browser is to keep now.

        Raises:
            TooManyAttempts: there were too many, or too many are under way.
        """
        account = await self._accounts.find(name)
        mark = self._devices.find(device, account)
        known = mark is not None
        if self._signing_in[known] >= _AT_ONCE:
            raise TooManyAttempts(_BUSY_SECONDS)
        self._signing_in[known] += 1
        try:
            await self._throttle.begin(name, address, mark)
            account = await self._accounts.verify(account, password, known=known)
        finally:
            self._signing_in[known] -= 1
        if account is None:
            logger.info("a sign-in from %s was refused", address)  # the name may be a password in the wrong field
            return None
        await self._throttle.succeeded(name, address, mark)
        return await self.sessions.begin(account.user), self._devices.remember(device, account)
