"""Asks guards that see HTTP requests alone whether a WebSocket may open.

A WebSocket begins with a GET, but two kinds of guard never see it: Starlette's `BaseHTTPMiddleware`, which is what
``@app.middleware("http")`` makes, and FastAPI's route classes. They are asked here, with that GET. Everything else
around the route, dependencies and ASGI middlewares, gets the WebSocket itself and is not asked twice.
"""

from __future__ import annotations

import copy
import inspect
from typing import Any

from .permission import ENDS_AT, REVOKED
from .scope import ASGIApp, Message, Receive, Scope, Send

_ADMITTED = "streamator.admitted"
_HTTP = {"ws": "http", "wss": "https"}


async def admit(scope: Scope, receive: Receive, send: Send) -> None:
    """The application behind the guards: a request that gets here may connect."""
    scope[_ADMITTED].append(scope)
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def refusal(scope: Scope, innermost: ASGIApp = admit) -> list[Message] | None:
    """What to answer a WebSocket that may not open: the messages of an ASGI application; None if it may.

    Args:
        scope: the WebSocket's.
        innermost: a guard of the route's own, with `admit` behind it (default: none).

    Whatever a guard raises is raised here, so that nothing opens.
    """
    layers = _blind_layers(scope)
    if not layers and innermost is admit:
        return None
    app = innermost
    for layer in reversed(layers):
        outer = copy.copy(layer)  # a copy: the original goes on serving requests
        outer.app = app
        app = outer
    admitted: list[Scope] = []
    said: list[Message] = []
    asked = {
        **scope, "type": "http", "method": "GET", "scheme": _HTTP.get(scope.get("scheme", "ws"), "https"),
        _ADMITTED: admitted,
    }  # fmt: skip

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        said.append(message)

    await app(asked, receive, send)
    if admitted and said and said[0].get("status", 500) < 300:
        scope.update((name, admitted[0][name]) for name in (ENDS_AT, REVOKED) if name in admitted[0])
        return None
    if "websocket.http.response" not in (scope.get("extensions") or {}):
        return [{"type": "websocket.close", "code": 1008}]  # not accepted before: the server answers 403
    return [{**message, "type": f"websocket.{message['type']}"} for message in said]


def _blind_layers(scope: Scope) -> list[Any]:
    """The `BaseHTTPMiddleware`s between the server and the route, the outermost first."""
    # FastAPI's outermost router knows its application; scope["app"] is the innermost one.
    outermost = getattr(scope.get("router"), "dependency_overrides_provider", None)
    waiting = [getattr(app, "middleware_stack", None) for app in (outermost, scope.get("app"))]
    waiting.append(scope.get("endpoint"))  # below a Mount it begins with the Mount's middlewares
    found: list[Any] = []
    seen: set[int] = set()
    while waiting:
        layer = waiting.pop(0)
        if layer is None or id(layer) in seen:
            continue
        seen.add(id(layer))
        if hasattr(layer, "dispatch_func"):
            found.append(layer)
            waiting.insert(0, layer.app)
            continue
        held = [*getattr(layer, "__dict__", {}).values(), *_closure(layer)]
        waiting[:0] = [each for each in held if _is_asgi(each)]
    return found


def _closure(function: Any) -> list[Any]:
    cells = getattr(function, "__closure__", None) or ()
    return [cell.cell_contents for cell in cells]


def _is_asgi(candidate: Any) -> bool:
    if inspect.iscoroutinefunction(candidate):
        return True
    call = getattr(candidate, "__call__", None)  # noqa: B004  # not whether it can be called, but the method itself
    return inspect.iscoroutinefunction(call)
