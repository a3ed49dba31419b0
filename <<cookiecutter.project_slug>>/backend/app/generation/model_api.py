"""An answer of a model's server, read with suspicion: what both protocols have in common."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import anyio

from app.generation.chunks import ChunkError, NoChunks, read_chunks
from app.generation.faults import Server, field
from app.generation.provider import ModelError, Piece, Reasoning, Usage

__all__ = ["CONNECT_SECONDS", "Ended", "Found", "Refusal", "ToolCall", "ended", "read_answer", "said", "usage_of"]

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 10.0
"""How long a connection may take. It is not the server's silence: that may have much to think about."""

_GRACE_SECONDS = 5.0
"""How long is waited for what may follow the end: the tokens."""

# Vendors have many names for a field of reasoning. Some fields beside it hold no words.
_THOUGHT = re.compile(r"reason|think|thought", re.IGNORECASE)
_NO_WORDS = re.compile(r"signature|encrypted|token|effort|budget|_(?:id|type|format|reason)\Z", re.IGNORECASE)
_TOOL = re.compile(r"(?:\w+_)?tool_(?:use|call)|function_call")
# The first names that are there count, and are added up: the others say the same again.
_INPUT = (("prompt_tokens",), ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"))
_OUTPUT = (("completion_tokens",), ("output_tokens",))
_MOST_TOKENS = 10**12


@dataclass(frozen=True)
class Ended:
    """A finish reason."""

    reason: object


@dataclass(frozen=True)
class Refusal:
    """Words by which a model declines to write."""

    text: str


@dataclass(frozen=True)
class ToolCall:
    """The model wants a tool."""


Found = Piece | Ended | Refusal | ToolCall


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
    wants_tool = has_text = False
    stream: Any = None
    kind = ""
    until = anyio.current_time() + server.silence
    try:
        with anyio.fail_after(server.silence):
            stream = await ask()
        kind = stream.response.headers.get("content-type", "")
        is_empty = True
        async with stream, aclosing(read_chunks(stream.response.aiter_bytes())) as chunks:
            while True:
                try:
                    # asyncio.wait_for may miss a cancellation before Python 3.12.
                    with anyio.fail_after(max(0.0, until - anyio.current_time())):
                        chunk = await anext(chunks)
                except StopAsyncIteration:
                    break
                is_empty = False
                if _is_error(chunk):
                    raise ChunkError(chunk)
                for found in found_in(chunk):
                    if not isinstance(found, Usage):  # a server that only shows that it is there is silent, too
                        until = anyio.current_time() + server.silence
                    if isinstance(found, Ended):
                        reason = found.reason
                    elif isinstance(found, Refusal):
                        declined += found.text
                    elif isinstance(found, ToolCall):
                        wants_tool = True
                    else:
                        has_text = has_text or isinstance(found, str)
                        yield found
                if reason is not None:
                    until = anyio.current_time() + min(server.silence, _GRACE_SECONDS)
        if is_empty and "event-stream" not in kind:
            raise server.no_stream(kind)
    except ModelError:
        raise
    except NoChunks as error:
        raise server.no_stream(kind, error.text) from error
    except Exception as error:
        # Once it has said how it ended, nothing of the draft can be missing.
        if reason is None:
            raise _meaning(error, server, stream is not None) from error
        logger.info("%s went on after the end of its answer: %r", server.title, error)
    if declined:
        raise server.declined(declined)
    if wants_tool and not has_text:
        raise server.wants_tool()  # some say that they have ended well
    if (fault := server.ended(reason)) is not None:
        raise fault


def said(value: object, *, thinks: bool = False) -> Iterable[Found]:
    """What a message, a delta or a part of its content holds, by whatever names.

    Arguments:
        value: text, a mapping, or a list of them.
        thinks: whether it is reasoning.
    """
    if isinstance(value, str):
        if value:
            yield Reasoning(value) if thinks else value
    elif isinstance(value, list):
        for each in value:
            yield from said(each, thinks=thinks)
    elif isinstance(value, Mapping):
        kind = str(value.get("type"))
        names = [name for name in map(str, value) if _THOUGHT.search(name) and not _NO_WORDS.search(name)]
        thinks = thinks or bool(_THOUGHT.search(kind)) or any(value.get(name) is True for name in names)
        if _TOOL.fullmatch(kind) or value.get("tool_calls") or value.get("function_call"):
            yield ToolCall()
        yield from _first_of(value, names, thinks=True)
        yield from _first_of(value, ("text", "content", "value", *(("summary",) if thinks else ())), thinks=thinks)
        if isinstance(refusal := value.get("refusal"), str) and refusal:
            yield Refusal(refusal)


def _first_of(value: Mapping[Any, object], names: Iterable[str], *, thinks: bool) -> Iterable[Found]:
    """What stands under the first of these names that has something: the others say the same again."""
    return next((found for name in names if (found := list(said(value.get(name), thinks=thinks)))), ())


def usage_of(usage: object) -> Iterable[Usage]:
    """The tokens that a chunk tells of; None has none."""
    told = Usage(_sum_of(usage, _INPUT), _sum_of(usage, _OUTPUT))
    if told != Usage():
        yield told


def ended(reason: object) -> Iterable[Ended]:
    """What a field for the finish reason holds; until the end there is nothing in it."""
    yield from map(Ended, [reason] if reason else [])


def _sum_of(usage: object, names: Iterable[Iterable[str]]) -> int | None:
    found = ([tokens for name in each if (tokens := _tokens(field(usage, name))) is not None] for each in names)
    return next((sum(tokens) for tokens in found if tokens), None)


def _tokens(value: object) -> int | None:
    """A count, which may come as text or with a decimal point."""
    try:
        number = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else -1.0
    except (ValueError, OverflowError):
        return None
    return int(number) if 0 <= number < _MOST_TOKENS else None


def _is_error(chunk: object) -> bool:
    """Whether an error stands in the place of a chunk."""
    if "error" in (field(chunk, "object"), field(chunk, "type")) or field(chunk, "error"):
        return True
    words = (field(chunk, "detail"), field(chunk, "message"), field(chunk, "msg"))
    return field(chunk, "choices") is None and field(chunk, "type") is None and any(isinstance(w, str) for w in words)


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
