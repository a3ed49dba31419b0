"""What the servers hold: samples over time, and what is left of it at rest.

The rule for flat: a server is looked at twice when nothing runs and nobody watches, before the second half of the load
and after it. In between it has done the same work as long as before. Then

- tasks, open streams and running jobs are no more than before;
- threads and open files are no more than `SPARE_THREADS` and `SPARE_FILES` above it: pools that had not been full;
- the objects that the garbage collector knows have grown by `SPARE_OBJECTS` of them or less;
- the memory, when the allocator has given back what it keeps for later, has grown by `SPARE_MEMORY` of it or less: what
  lies scattered cannot be given back, and the second half may have the larger jobs.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from dataclasses import dataclass, field

import httpx

from soak.processes import LOOPBACK, Process

SPARE_THREADS = 4
SPARE_FILES = 6
SPARE_OBJECTS = 0.02
SPARE_MEMORY = 0.10
SAMPLE_SECONDS = 2.0
REST_SAMPLES = 5

State = dict[str, float]


@dataclass
class Resources:
    """Samples of each server, by its name: (`time.monotonic` reading, what it held)."""

    client: httpx.AsyncClient
    servers: list[Process]
    samples: dict[str, list[tuple[float, State]]] = field(default_factory=dict)

    async def watch(self) -> None:
        """Take samples, until cancelled."""
        while True:
            await asyncio.gather(*(self._sample(server) for server in self.servers))
            await asyncio.sleep(SAMPLE_SECONDS)

    async def _sample(self, server: Process) -> None:
        try:
            found = await self.state(server)
        except httpx.TransportError:
            return  # it is away, or stopped
        self.samples.setdefault(server.name, []).append((time.monotonic(), found))

    async def state(self, server: Process, *, collect: bool = False) -> State:
        """What a server holds now; with `collect` after a garbage collection."""
        url = f"http://{LOOPBACK}:{server.port}/api/soak/state?collect={collect}"
        found: State = (await self.client.get(url, timeout=10)).raise_for_status().json()
        return found

    async def at_rest(self, seconds: float) -> dict[str, State]:
        """What each server holds after so many seconds in which nothing is asked of it: the median of some samples."""
        await asyncio.sleep(seconds)
        found: dict[str, State] = {}
        for server in self.servers:
            states = []
            for _ in range(REST_SAMPLES):
                states.append(await self.state(server, collect=True))
                await asyncio.sleep(0.5)
            found[server.name] = {name: statistics.median(each[name] for each in states) for name in states[0]}
        return found


def growth(before: State, after: State) -> list[str]:
    """What is not flat; see the module for the rule."""
    spare = {
        "tasks": 0, "streams": 0, "jobs": 0, "threads": SPARE_THREADS, "files": SPARE_FILES,
        "objects": SPARE_OBJECTS * before["objects"], "memory": SPARE_MEMORY * before["memory"],
    }  # fmt: skip
    return [
        f"{name}: {before[name]:,.0f} before, {after[name]:,.0f} after"
        for name, more in spare.items()
        if after[name] > before[name] + more
    ]
