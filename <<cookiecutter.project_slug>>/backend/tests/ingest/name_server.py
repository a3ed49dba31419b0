"""A name server on loopback, over UDP and TCP, that answers as a test tells it to."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import cast

_A, _AAAA = 1, 28
_TRUNCATED, _NO_SUCH_NAME = 0x0200, 3
_MAX_UDP = 1200


@dataclass
class NameServer(asyncio.DatagramProtocol):
    """What is known of names, and who has asked for what."""

    names: dict[str, list[list[str]]] = field(default_factory=dict)
    """Of each name the addresses that it has at first, then, and so on; the last ones stay."""
    silent: set[str] = field(default_factory=set)
    """Names that are never answered."""
    asked: list[str] = field(default_factory=list)
    """Names, as often as their IPv4 addresses were asked for."""
    port: int = 0
    by_tcp: list[asyncio.StreamWriter] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        answer = self.answer(data)
        if answer is not None and len(answer) > _MAX_UDP:  # to be asked again by TCP
            answer = answer[:2] + struct.pack("!HHHHH", 0x8180 | _TRUNCATED, 1, 0, 0, 0) + question(data)
        if answer is not None:
            self._transport.sendto(answer, addr)

    async def serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.by_tcp.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                (length,) = struct.unpack("!H", await reader.readexactly(2))
                answer = self.answer(await reader.readexactly(length))
                if answer is not None:
                    writer.write(struct.pack("!H", len(answer)) + answer)

    def answer(self, query: bytes) -> bytes | None:
        asked = question(query)
        labels, at = [], 0
        while size := asked[at]:
            labels.append(asked[at + 1 : at + 1 + size].decode("ascii").lower())
            at += 1 + size
        name, (kind,) = ".".join(labels), struct.unpack("!H", asked[at + 1 : at + 3])
        if kind == _A:
            self.asked.append(name)
        if name in self.silent:
            return None
        turns = self.names.get(name)
        found = turns[0] if turns else []
        if turns and kind == _A and len(turns) > 1:
            turns.pop(0)
        packed = [ip.packed for ip in map(ip_address, found) if (ip.version == 4) == (kind == _A)]
        records = b"".join(
            struct.pack("!HHHIH", 0xC00C, kind, 1, 0, len(ip)) + ip for ip in packed if kind in (_A, _AAAA)
        )
        flags = 0x8180 | (0 if turns else _NO_SUCH_NAME)
        return query[:2] + struct.pack("!HHHHH", flags, 1, len(packed), 0, 0) + asked + records


def question(query: bytes) -> bytes:
    """The question of a query, as it stands in it."""
    end = query.index(0, 12)
    return query[12 : end + 5]


@contextlib.asynccontextmanager
async def name_server() -> AsyncIterator[NameServer]:
    """Runs one on a free port."""
    server = NameServer()
    tcp = await asyncio.start_server(server.serve_tcp, "127.0.0.1", 0)
    server.port = tcp.sockets[0].getsockname()[1]
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: server, local_addr=("127.0.0.1", server.port)
    )
    try:
        yield server
    finally:
        transport.close()
        tcp.close()
        for writer in server.by_tcp:
            writer.transport.abort()
        await asyncio.sleep(0)  # sockets are closed a turn later
