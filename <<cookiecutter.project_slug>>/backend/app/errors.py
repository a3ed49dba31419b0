"""How the API says no: every error is `{"error": "<what happened, the value, the fix>"}`."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

__all__ = ["ApiError", "ErrorBody", "add_error_handlers", "error_responses"]

logger = logging.getLogger(__name__)


class ErrorBody(BaseModel):
    """The body of every answer from 400 on."""

    error: str


class ApiError(Exception):
    """Answers the request with `status` and `{"error": message}`."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers


def error_responses(*statuses: int) -> dict[int | str, dict[str, object]]:
    """The `responses=` of a route that answers with these statuses, so that OpenAPI knows their body."""
    return {status: {"model": ErrorBody} for status in statuses}


def add_error_handlers(app: FastAPI) -> None:
    """Gives every error of `app`, its own and the framework's, the one shape of body."""
    app.add_exception_handler(ApiError, _api_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(Exception, _crash)


def _answer(status: int, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": message}, status, headers)


async def _api_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ApiError)
    return _answer(error.status, str(error), error.headers)


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return _answer(error.status_code, str(error.detail).lower(), error.headers)


async def _validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"][1:]) or "the request"
    return _answer(422, f"{where}={str(first.get('input'))[:200]!r}: {first['msg']}")


async def _crash(request: Request, error: Exception) -> JSONResponse:
    # Starlette raises the error again after this, so that the server logs it with its traceback.
    return _answer(500, "the server made a mistake; its log says more")
