"""The cookies of sign-in: what they are called, where they go, and what came of them."""

from __future__ import annotations

from typing import Literal

from starlette.requests import HTTPConnection
from starlette.responses import Response

from app import project

__all__ = ["read_cookies", "set_cookie"]

Purpose = Literal["session", "device", "ticket"]

_MOST = 8


def read_cookies(connection: HTTPConnection, purpose: Purpose) -> list[str]:
    """The values that a browser has sent for a purpose, the first eight of them.

    Of two with one name it is not known which is ours: another site of the same domain, or one on another port, may
    have set one for a longer path, or for all names of the domain.
    """
    name = _name(connection, purpose)
    pairs = [part.partition("=") for header in connection.headers.getlist("cookie") for part in header.split(";")]
    return [value.strip() for key, _, value in pairs if key.strip() == name][:_MOST]


def set_cookie(
    connection: HTTPConnection, purpose: Purpose, value: str, *, seconds: int, path: str = "/api/auth"
) -> str:
    """The header that sets a cookie which no script and no other site gets.

    Over https those of the session and the device have the prefix `__Host-` (RFC 6265bis, 4.1.3.2): browsers take one
    from this very host alone, and send it with all requests to it. Over plain http they take none with a prefix, and
    the cookie goes to `path` alone. The scheme is the one the browser uses, as the proxy in front tells it.

    Arguments:
        connection: the request that is answered.
        purpose, value: the cookie.
        seconds: for how long the browser keeps it; 0 takes it away.
        path: where it goes, as the app's own routes are called.
    """
    response = Response()
    name = _name(connection, purpose)
    response.set_cookie(
        name,
        value,
        max_age=seconds,
        path="/" if name.startswith("__Host-") else f"{connection.scope.get('root_path', '')}{path}",
        secure=_is_secure(connection),
        httponly=True,
        samesite="strict",
    )
    return response.headers["set-cookie"]


def _name(connection: HTTPConnection, purpose: Purpose) -> str:
    # Cookies know no ports: each project of a machine has its own. A ticket goes to the paths of one job alone, and
    # says itself whose it is and what for.
    name = f"{project.PROJECT_SLUG}-{purpose}"
    if purpose == "ticket" or not _is_secure(connection):
        return name
    # The path cannot tell apart what is below several paths of one host: "/" is the only one that the prefix allows.
    return f"__Host-{name}{connection.scope.get('root_path', '').replace('/', '+')}"


def _is_secure(connection: HTTPConnection) -> bool:
    return connection.scope.get("scheme") in ("https", "wss")
