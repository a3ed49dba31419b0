"""Viewers: by server-sent events, by WebSocket, by polls. Each follows a job as a page does, with faults of its own."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx
import websockets
from websockets.asyncio.client import connect

from soak.judge import Transcript, Wrong

How = Literal["sse", "ws", "poll"]
Ending = Literal["done", "lost", "gone", "left", "wrong", "open"]

# Twice the time between two heartbeats, and as long as a server may be stopped.
SILENCE = 45.0
POLL_SECONDS = 0.5
NORMAL, TRY_LATER, NOT_FOUND = 1000, 1013, 4404


@dataclass
class Visit:
    """What a viewer does."""

    how: How = "sse"
    comes_after: float = 0.0
    begins_after: int = 0
    """The id that it says it has seen, when it comes."""
    stays: float = float("inf")
    """For so long it watches, and then leaves for good."""
    breaks_after: list[float] = field(default_factory=list)
    """Connections that it closes by itself, each after so many seconds; it comes back with the id that it has."""
    stalls: float = 0.0
    """For so long it takes nothing, once, in the middle."""


class Over(Exception):
    """There is nothing more to see: how it ended."""


class Viewer:
    """One viewer of one job. `watch` it; then `ending` says how it ended, and `transcript` what it has."""

    def __init__(self, client: httpx.AsyncClient, url: str, job_id: str, key: str, visit: Visit, seed: str) -> None:
        self._client = client
        self._url = url
        self._job_id = job_id
        self._rng = random.Random(seed)
        self._breaks = list(visit.breaks_after)
        self._stalls = visit.stalls
        self.visit = visit
        self.transcript = Transcript(key, visit.begins_after)
        self.ending: Ending = "open"
        self.ended_at = 0.0
        self.problem: str | None = None
        self.connections = 0
        self.refused: dict[str, int] = {}
        """How often it was not let in, by what it was told."""

    async def watch(self) -> None:
        """Follow the job to its end, or as long as the visit is to last."""
        await asyncio.sleep(self.visit.comes_after)
        try:
            await asyncio.wait_for(self._follow(), None if self.visit.stays == float("inf") else self.visit.stays)
        except asyncio.TimeoutError:
            self.ending = "left"
        except Over as over:
            self.ending = over.args[0]
        except Wrong as wrong:
            self.ending, self.problem = "wrong", str(wrong)
        self.ended_at = time.monotonic()

    async def _follow(self) -> None:
        session = {"sse": self._stream, "ws": self._socket, "poll": self._polls}[self.visit.how]
        while True:
            try:
                if self._breaks:
                    await asyncio.wait_for(session(), self._breaks.pop())
                else:
                    await session()
            except asyncio.TimeoutError:  # it has closed the connection by itself
                if self.transcript.status is not None:  # while it was leaving, at the end
                    raise Over("done") from None
            except httpx.ReadTimeout:
                self._count("silence")
            except (httpx.TransportError, websockets.WebSocketException, OSError) as error:
                self._count(type(error).__name__)
            else:
                if self.transcript.lost:  # the server has told so, and then has had nothing more to say
                    raise Over("lost")
            await asyncio.sleep(self._rng.uniform(0.1, 1.0))

    def _count(self, what: str) -> None:
        self.refused[what] = self.refused.get(what, 0) + 1

    def _take(self, event: dict[str, Any], event_id: int | None) -> None:
        self.transcript.take(event, event_id)
        if self.transcript.status is not None:
            raise Over("done")

    async def _stall(self) -> None:
        """Take nothing for a while, once, after some lines."""
        if self._stalls and self.transcript.lines > 20:
            seconds, self._stalls = self._stalls, 0.0
            await asyncio.sleep(seconds)

    def _status(self, status: int) -> None:
        if status == 404:
            raise Over("gone")
        if status == 204:
            raise Wrong(f"204, as if {self.transcript.seen} were the end")
        if status not in (429, 502, 503, 504):
            raise Wrong(f"the answer is {status}")
        self._count(str(status))

    # Server-sent events

    async def _stream(self) -> None:
        seen = self.transcript.seen
        headers = {"last-event-id": str(seen)} if seen else {}
        url = f"{self._url}/api/log/{self._job_id}/stream"
        async with self._client.stream("GET", url, headers=headers, timeout=SILENCE) as response:
            if response.status_code != 200:
                self._status(response.status_code)
                return
            self.connections += 1
            async for event_id, event in read_events(response.aiter_raw()):
                if event is not None:
                    self._take(event, event_id)
                elif event_id is not None:
                    self.transcript.move(event_id)
                await self._stall()

    # WebSocket

    async def _socket(self) -> None:
        url = f"{self._url.replace('http', 'ws', 1)}/api/log/{self._job_id}/ws?after={self.transcript.seen}"
        # No pings of its own: the server's heartbeats tell that it lives.
        options: dict[str, Any] = {"max_size": None, "compression": None, "ping_interval": None, "proxy": None}
        try:
            async with connect(url, open_timeout=SILENCE, close_timeout=1, **options) as socket:
                self.connections += 1
                while True:
                    try:
                        text = await asyncio.wait_for(socket.recv(), SILENCE)
                    except asyncio.TimeoutError:
                        self._count("silence")
                        return
                    for one in json.loads(text):
                        if one["event"] is not None:
                            self._take(one["event"], one["id"])
                        else:
                            self.transcript.move(one["id"])
                    await self._stall()
        except websockets.InvalidStatus as refusal:
            self._status(refusal.response.status_code)
        except websockets.ConnectionClosed as closed:
            code = closed.rcvd.code if closed.rcvd is not None else None
            if code == NOT_FOUND:
                raise Over("gone") from None
            if code == NORMAL:
                raise Wrong(f"closed with 1000, as if {self.transcript.seen} were the end") from None
            self._count(f"closed with {code}")

    # Polls

    async def _polls(self) -> None:
        silent_since = None
        while True:
            url = f"{self._url}/api/log/{self._job_id}?after={self.transcript.seen}"
            answer = await self._client.get(url, timeout=SILENCE)
            if answer.status_code != 200:
                self._status(answer.status_code)
                return
            self.connections += 1
            body = answer.json()
            for event in body["logs"]:
                self.transcript.take(event, None)
            self.transcript.move(body["next"])
            if self.transcript.status is not None:
                raise Over("done")
            if body["closed"]:
                raise Wrong(f"closed, and the last event is not done but {self.transcript.seen}")
            now = time.monotonic()
            silent_since = (silent_since or now) if self.transcript.lost else None
            if silent_since is not None and now - silent_since > SILENCE:
                return
            await asyncio.sleep(POLL_SECONDS)


async def read_events(chunks: AsyncIterator[bytes]) -> AsyncIterator[tuple[int | None, dict[str, Any] | None]]:
    """The events of a stream as this server writes them: LF, one data line each, unnamed. An id alone moves on."""
    rest = b""
    async for chunk in chunks:
        *blocks, rest = (rest + chunk).split(b"\n\n")
        for block in blocks:
            fields = dict(line.split(b": ", 1) for line in block.split(b"\n") if not line.startswith(b":"))
            event_id = int(fields[b"id"]) if b"id" in fields else None
            if b"data" in fields:
                yield event_id, json.loads(fields[b"data"])
            elif event_id is not None:
                yield event_id, None
