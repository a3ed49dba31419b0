from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.generation.characters import Characters
from app.generation.chunks import ChunkError, NoChunks, read_chunks

pytestmark = pytest.mark.anyio

EVENTS = b'event: one\ndata: {"a": 1}\n\n: ping\n\ndata: {"a":\ndata: 2}\n\nid: 7\ndata:{"a": "\xe2\x82\xac"}\n\n'
VALUES = [{"a": 1}, {"a": 2}, {"a": "€"}]


async def read(*pieces: bytes) -> list[Any]:
    async def body() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    return [chunk async for chunk in read_chunks(body())]


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
async def test_a_stream_is_read_wherever_it_is_cut(line_end: bytes) -> None:
    stream = EVENTS.replace(b"\n", line_end)
    for at in range(len(stream)):
        assert await read(stream[:at], stream[at:]) == VALUES
    assert await read(*(bytes([each]) for each in stream)) == VALUES


async def test_the_event_after_a_byte_order_mark_is_read() -> None:
    assert await read(b"\xef\xbb", b"\xbf" + EVENTS) == VALUES


async def test_a_last_event_without_a_blank_line_is_read() -> None:
    assert await read(EVENTS.rstrip()) == VALUES


async def test_nothing_is_read_after_the_end_of_a_stream() -> None:
    assert await read(EVENTS, b"data: [DONE]\n\n", b"data: {") == VALUES
    assert await read(b'data: {"type": "message_stop"}\n\n', b"data: {") == [{"type": "message_stop"}]


async def test_an_answer_that_came_whole_is_known_by_its_first_character() -> None:
    assert await read(b'\n {"a":\n\n', b"1}") == [{"a": 1}]
    assert await read(b'[{"a": 1}, {"a": 2}]') == VALUES[:2]


async def test_comments_and_names_without_data_are_no_chunks() -> None:
    assert await read(b": ping\n\nevent: ping\n\nretry: 5\n\n: pong") == []
    assert await read() == []


async def test_an_event_of_the_name_error_is_one_also_in_words() -> None:
    for data, body in ((b"Gremlins", "Gremlins"), (b'{"message": "Gremlins"}', {"message": "Gremlins"})):
        with pytest.raises(ChunkError) as raised:
            await read(b"event: error\ndata: " + data + b"\n\n")
        assert raised.value.body == body


async def test_what_is_no_stream_is_given_as_it_begins() -> None:
    with pytest.raises(NoChunks, match="Sign in"):
        await read(b"<!doctype html>\n<title>Sign in</title>\n\n<p>")


async def test_a_chunk_is_bounded() -> None:
    with pytest.raises(ValueError, match="more than 16,000,000"):
        await read(*[b"data: " + b"x" * 8_000_000] * 3)


async def test_a_long_chunk_in_small_pieces_takes_a_time_in_proportion_to_it() -> None:
    piece, number = b"x" * 64, 100_000  # read from its beginning for each piece, it would take an hour
    [chunk] = await read(b'data: "', *[piece] * number, b'"\n\n')
    assert len(chunk) == len(piece) * number


async def test_control_characters_in_a_chunk_are_its_text() -> None:
    assert await read(b'data: {"a": "\t\x00"}\n\n') == [{"a": "\t\0"}]


@pytest.mark.parametrize(
    ("pieces", "text", "broken"),
    [
        (["a\ud83d", "\ude00b"], "a😀b", 0),
        (["\ud83d", "", "\ude00"], "😀", 0),
        (["\ud83d\ude00"], "😀", 0),
        (["\udcf0\udc9f", "\udc98\udc80"], "😀", 0),  # the bytes F0 9F 98 80
        (["\ud83d", "b"], "\ufffdb", 1),
        (["a\ud83d"], "a\ufffd", 1),
        (["\ude00a"], "\ufffda", 1),
        (["\udcf0\udc9f", "a"], "\ufffda", 1),
        (["\ud83d\ud83d", "\ude00"], "\ufffd😀", 1),
        (["\ufffd"], "\ufffd", 0),  # the text's own
    ],
)
async def test_halves_of_characters_come_together_and_lone_ones_are_counted(
    pieces: list[str], text: str, broken: int
) -> None:
    characters = Characters()
    joined = "".join(map(characters.add, pieces)) + characters.add("", whole=True)
    assert (joined, characters.broken) == (text, broken)


async def test_bytes_that_are_no_text_come_together_over_chunks() -> None:
    first, second = await read(b'data: "\xf0\x9f"\n\n', b'data: "\x98\x80"\n\n')
    characters = Characters()
    assert characters.add(first) + characters.add(second) == "😀"
    assert json.dumps(first).isascii()
