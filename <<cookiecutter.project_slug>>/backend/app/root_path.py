"""Where the app is below a path of its host: a small ASGI middleware that touches no stream."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["RootPath"]


class RootPath:
    """Tells all inside of it what the browser asks below, as ASGI has it: in `root_path`, and in front of `path`.

    It makes no difference whether a proxy leaves the prefix there or takes it away.

    Arguments:
        root: such as `/app`.
    """

    def __init__(self, app: ASGIApp, root: str) -> None:
        self._app = app
        self._root = root

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            scope["root_path"] = self._root
            if not f"{scope['path']}/".startswith(f"{self._root}/"):
                scope["path"] = self._root + scope["path"]
        await self._app(scope, receive, send)
