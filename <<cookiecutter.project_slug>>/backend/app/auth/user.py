"""The user of a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

__all__ = ["LOCAL_USER", "CurrentUser", "User"]


@dataclass(frozen=True)
class User:
    """One who uses the app. What they start is theirs."""

    id: str
    name: str


LOCAL_USER = User("local", "Local user")
"""Everybody, where nobody signs in."""


def current_user(connection: HTTPConnection) -> User:
    """The user of a request or a WebSocket."""
    return LOCAL_USER


CurrentUser = Annotated[User, Depends(current_user)]
"""The type of a route's parameter that wants the user."""
