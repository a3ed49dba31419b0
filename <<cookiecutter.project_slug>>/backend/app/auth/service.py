"""All of sign-in in a running app."""

from __future__ import annotations

import asyncio
import logging

from app.auth.accounts import Accounts
from app.auth.sessions import Session, Sessions, SessionWatch
from app.auth.throttle import Throttle
from app.auth.tokens import Permission, Refused, Tokens, load_secret
from app.feature import Services

__all__ = ["Auth"]

logger = logging.getLogger(__name__)


class Auth:
    """What the routes and the gate share. `app.state.auth` has one with AUTH=jwt, and None with AUTH=none."""

    def __init__(self, accounts: Accounts, throttle: Throttle, sessions: Sessions, tokens: Tokens) -> None:
        self._accounts = accounts
        self._throttle = throttle
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
            Sessions(database, secret, days=settings.auth_session_days, kept=settings.max_sessions_per_user),
            Tokens(secret, seconds=settings.auth_token_seconds),
        )

    async def check(self, permission: Permission) -> None:
        """Holds a permission against the sessions: a token is signed for minutes, and a session may end before.

        Raises:
            Refused: its session is over.
        """
        if not await self.sessions.living([permission.session_id]):
            raise Refused("the session of this token is over: sign in")

    async def sign_in(self, name: str, password: str, *, address: str) -> Session | None:
        """Begins a session for who has this name and this password; None where nobody has.

        Raises:
            TooManyAttempts: there were too many, for this name or from this address.
        """
        await self._throttle.begin(name, address)
        user = await self._accounts.verify(name, password)
        if user is None:
            logger.info("a sign-in from %s was refused", address)  # the name may be a password in the wrong field
            return None
        await self._throttle.succeeded(name, address)
        return await self.sessions.begin(user)
