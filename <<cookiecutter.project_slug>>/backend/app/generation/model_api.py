"""An answer of a model's server, read with suspicion: what both protocols have in common."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

import anyio

from app.generation.faults import Server, field
from app.generation.provider import ModelError, Piece, Reasoning, Usage

__all__ = [
    "CONNECT_SECONDS",
    "ChunkError",
    "Ended",
    "Found",
    "Refusal",
    "ended",
    "read_answer",
    "thought",
    "usage_of",
    "written",
]

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 10.0
"""How long a connection may take. It is not the server's silence: that may have much to think about."""

_GRACE_SECONDS = 5.0
"""How long is waited for what may follow the end: the tokens."""


@dataclass(frozen=True)
class Ended:
    """A finish reason."""

    reason: object


class ChunkError(Exception):
    """An error that stands where a chunk should be; its `body` is what it says."""

    def __init__(self, body: object) -> None:
        super().__init__(str(body))
        self.body = body


@dataclass(frozen=True)
class Refusal:
    """Words by which a model declines to write."""

    text: str


Found = Piece | Ended | Refusal


async def read_answer(
    server: Server, ask: Callable[[], Awaitable[Any]], found_in: Callable[[Any], Iterable[Found]]
) -> AsyncGenerator[Piece, None]:
    """Gives the pieces of an answer, and ends well only where the server has said that it is whole.

    Arguments:
        server: who is asked.
        ask: sends the request by the vendor's SDK; gives its stream.
        found_in: what a chunk of the stream holds. It may raise anything: the chunk is a stranger's.

    Raises:
        ModelError: the answer is no draft.
    """
    reason: object = None
    declined = ""
    stream: Any = None
    until = anyio.current_time() + server.silence
    try:
        with anyio.fail_after(server.silence):
            stream = await ask()
        async with stream:
            kind = stream.response.headers.get("content-type", "")
            chunks = _whole(stream.response) if "json" in kind else stream
            is_empty = True
            while True:
                try:
                    # asyncio.wait_for may miss a cancellation before Python 3.12.
                    with anyio.fail_after(max(0.0, until - anyio.current_time())):
                        chunk = await anext(chunks)
                except StopAsyncIteration:
                    break
                is_empty = False
                for found in found_in(chunk):
                    if not isinstance(found, Usage):  # a server that only shows that it is there is silent, too
                        until = anyio.current_time() + server.silence
                    if isinstance(found, Ended):
                        reason = found.reason
                    elif isinstance(found, Refusal):
                        declined += found.text
                    else:
                        yield found
                if reason is not None:
                    until = anyio.current_time() + min(server.silence, _GRACE_SECONDS)
            if is_empty and "event-stream" not in kind:
                raise server.no_stream(kind)
    except ModelError:
        raise
    except Exception as error:
        # Once it has said how it ended, nothing of the draft can be missing.
        if reason is None:
            raise _meaning(error, server, stream is not None) from error
        logger.info("%s went on after the end of its answer: %r", server.title, error)
    if declined:
        raise server.declined(declined)
    if (fault := server.ended(reason)) is not None:
        raise fault


async def _whole(response: Any) -> AsyncGenerator[Any, None]:
    """The one chunk of a server that does not stream."""
    yield json.loads(await response.aread())


def _meaning(error: Exception, server: Server, answered: bool) -> ModelError:
    """What the SDK, or reading what it gave, has raised."""
    status, body = field(error, "status_code"), field(error, "body")
    if isinstance(status, int):
        return server.refused(status, body, field(error, "response", "headers"), str(error))
    causes = [error, error.__cause__]
    if any(isinstance(each, TimeoutError) or _is(each, "ReadTimeout") for each in causes):
        return server.silent()
    if not answered:
        return server.unreachable(error)
    if body is not None:
        return server.refused(None, body, {}, str(error))
    if not any(_is(each, "TransportError") for each in causes):
        logger.warning("an answer of %s could not be read", server.title, exc_info=error)
    return server.broken(error)


def _is(error: BaseException | None, name: str) -> bool:
    # Of the library that the SDK is made with, which is its own affair.
    return any(each.__name__ == name for each in type(error).__mro__)


def usage_of(usage: object, input_names: Iterable[str], output_name: str) -> Iterable[Usage]:
    """The tokens that a chunk tells of.

    Arguments:
        usage: what it has on them; None for nothing.
        input_names: what is added up to what went in.
        output_name: what came out.
    """
    told = [each for name in input_names if isinstance(each := field(usage, name), int)]
    output = field(usage, output_name)
    if told or isinstance(output, int):
        yield Usage(sum(told) if told else None, output if isinstance(output, int) else None)


def written(value: object) -> Iterable[str]:
    """What a field for text holds."""
    if isinstance(value, str) and value:
        yield value


def thought(value: object) -> Iterable[Reasoning]:
    """What a field for reasoning holds."""
    yield from map(Reasoning, written(value))


def ended(reason: object) -> Iterable[Ended]:
    """What a field for the finish reason holds; until the end there is nothing in it."""
    yield from map(Ended, [reason] if reason else [])
