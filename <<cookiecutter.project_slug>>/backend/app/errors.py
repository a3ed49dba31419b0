"""How the API says no: every error is `{"error": "<what happened, the value, the fix>"}`."""

from __future__ import annotations

import logging
import reprlib
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from app.bodies import REFUSED
from app.headers import HEADERS
from app.storage import StorageError

__all__ = ["ApiError", "ErrorBody", "add_error_handlers", "error_responses", "refuse", "stream_error_responses"]

logger = logging.getLogger(__name__)


class ErrorBody(BaseModel):
    """The body of every answer from 400 on."""

    error: str


class ApiError(Exception):
    """Answers the request with `status` and `{"error": message}`, or closes the WebSocket with 4000 + `status`."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers


_MAX_MESSAGE = 2_000
"""The characters of an error, whatever is in it."""

Responses = dict[int | str, dict[str, object]]


def error_responses(*statuses: int) -> Responses:
    """The `responses=` of a route that answers with these statuses, so that OpenAPI knows their body."""
    return {status: {"model": ErrorBody} for status in statuses}


def stream_error_responses(*statuses: int) -> Responses:
    """The same, of a route whose other answers are streams: FastAPI would have it that these are streams too."""
    body = {"application/json": {"schema": {"$ref": f"#/components/schemas/{ErrorBody.__name__}"}}}
    return {status: {"description": HTTPStatus(status).phrase, "content": body} for status in statuses}


async def refuse(scope: Scope, receive: Receive, send: Send, error: ApiError) -> None:
    """Answers a request or a WebSocket with an error: what a middleware does in place of raising it."""
    if scope["type"] == "websocket":
        await _close(WebSocket(scope, receive, send), error)
    else:
        await _answer(error.status, str(error), error.headers)(scope, receive, send)


def add_error_handlers(app: FastAPI) -> None:
    """Gives every error of `app`, its own and the framework's, the one shape of body."""
    app.add_exception_handler(ApiError, cast(Any, _api_error))
    app.add_exception_handler(StorageError, _storage_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(Exception, _crash)


def _answer(status: int, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    # What a message repeats may hold half a character, which no answer can.
    text = message[:_MAX_MESSAGE].encode("utf-8", "backslashreplace").decode()
    return JSONResponse({"error": text}, status, headers)


async def _api_error(connection: Request | WebSocket, error: ApiError) -> JSONResponse | None:
    if isinstance(connection, WebSocket):
        await _close(connection, error)
        return None
    return _answer(error.status, str(error), error.headers)


async def _storage_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, StorageError)
    logger.error("%s", error)
    return _answer(
        503, f"files can be neither kept nor read now ({error.reason}): try again later", {"retry-after": "5"}
    )


async def _close(websocket: WebSocket, error: ApiError) -> None:
    # Accepted before: a page sees how a WebSocket was closed, and not why one was refused.
    await websocket.accept()
    await websocket.close(4000 + error.status)


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    said = str(error.detail)
    begins = said if said == HTTPStatus(error.status_code).phrase else said[:1]
    return _answer(error.status_code, begins.lower() + said[len(begins) :], error.headers)


async def _validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    if first["type"] == REFUSED:
        return _answer(422, ".".join(str(part) for part in (*first["loc"][1:], first["msg"])))
    where = ".".join(str(part) for part in first["loc"][1:]) or "the request"
    return _answer(422, f"{where}={_shown(first.get('input'))}: {first['msg']}")


_beginnings = reprlib.Repr()
_beginnings.maxstring = _beginnings.maxother = _beginnings.maxlong = 200


def _shown(value: Any) -> str:
    """A value as an error repeats it: its beginning, and no string is made of all of it."""
    return repr(value[:200]) if isinstance(value, (str, bytes)) else _beginnings.repr(value)


async def _crash(request: Request, error: Exception) -> JSONResponse:
    # Starlette raises the error again after this, so that the server logs it with its traceback.
    # It is answered outside of all middlewares.
    return _answer(500, "the server made a mistake; its log says more", HEADERS)
