"""Who uses the app: `CurrentUser` is the type of a route's parameter that wants to know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from app.errors import ApiError

__all__ = ["LOCAL_USER", "CurrentUser", "User"]


@dataclass(frozen=True)
class User:
    """One who uses the app. What they start is theirs."""

    id: str
    name: str


LOCAL_USER = User("local", "Local user")
"""Everybody, where nobody signs in (AUTH=none)."""


def current_user(connection: HTTPConnection) -> User:
    """The user of a request or a WebSocket.

    Where people sign in, a feature's `authentication` has put the user into the scope. A request that has come
    past it without one is refused.
    """
    if connection.app.state.services.settings.auth == "none":
        return LOCAL_USER
    user = connection.scope.get("user")
    if not isinstance(user, User):
        raise ApiError(401, "sign in first", {"www-authenticate": "Bearer"})
    return user


CurrentUser = Annotated[User, Depends(current_user)]
"""The type of a route's parameter that wants the user."""
