"""What happens to the servers and to the store, at random."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from dataclasses import dataclass

from soak.processes import LEASE_SECONDS, Process, Stack

# So long after a store is back, all that waited is written: the longest wait between two tries, and some more.
RECOVERY_SECONDS = 10.0
LONGEST_PEACE_SECONDS = 20.0


@dataclass
class Fault:
    """One of them. Times are `time.monotonic` readings."""

    what: str
    process: Process
    began: float
    ended: float = float("inf")
    took: float = 0.0
    """Of a server that was asked to end: the seconds until it had."""

    def within(self, began: float, ended: float) -> bool:
        """Whether it was going on at some time between."""
        return self.began <= ended and self.ended >= began


KILLED, ENDED, PAUSED, WIPED = "killed", "ended", "paused", "killed, its data gone"


class Faults:
    """Makes them, and remembers them."""

    def __init__(self, stack: Stack, rng: random.Random) -> None:
        self._stack = stack
        self._rng = rng
        self.all: list[Fault] = []

    async def run(self, seconds: float, *, servers: bool) -> None:
        """Faults for so long, of the store and, if wanted, of the servers; returns when all run again."""
        until = time.monotonic() + seconds
        longest = min(LONGEST_PEACE_SECONDS, seconds / 2)
        targets = [*(self._stack.servers if servers else []), *([self._stack.store] if self._stack.store else [])]
        await asyncio.gather(*(self._haunt(target, longest, until) for target in targets))

    async def _haunt(self, process: Process, longest: float, until: float) -> None:
        while True:
            wait = self._rng.uniform(longest / 4, longest)
            if time.monotonic() + wait > until:
                await asyncio.sleep(max(until - time.monotonic(), 0.0))
                return
            await asyncio.sleep(wait)
            await self.make(process, self._pick(process))

    def _pick(self, process: Process) -> str:
        if process is not self._stack.store:
            return self._rng.choice([KILLED, KILLED, ENDED, PAUSED])
        kill = [KILLED, WIPED] if self._stack.keeps else [WIPED]
        return self._rng.choice([PAUSED, PAUSED, self._rng.choice(kill)])

    async def make(self, process: Process, what: str) -> None:
        """Make one, and see it to its end."""
        fault = Fault(what, process, time.monotonic())
        self.all.append(fault)
        if what == PAUSED:
            process.send(signal.SIGSTOP)
            long = self._rng.random() < 0.5
            await asyncio.sleep(self._rng.uniform(1, 2.5) * LEASE_SECONDS if long else self._rng.uniform(0.5, 4))
            process.send(signal.SIGCONT)
        else:
            fault.took = await process.end(signal.SIGTERM if what == ENDED else signal.SIGKILL)
            if what == WIPED and self._stack.keeps:
                self._stack.wipe()
            await asyncio.sleep(self._rng.uniform(0, 4))
            await process.start()
        fault.ended = time.monotonic()

    def of(self, process: Process | None, *what: str, after: float, before: float) -> list[Fault]:
        """Those of a process that were going on, or began, between two times."""
        return [
            fault
            for fault in self.all
            if fault.process is process and fault.what in what and fault.within(after, before)
        ]

    def longest_calm(self, began: float, ended: float, *processes: Process | None) -> float:
        """For how many seconds between all of these processes ran, at the longest."""
        longest, calm_since = 0.0, began
        for fault in sorted(self.all, key=lambda fault: fault.began):
            if fault.process in processes and fault.within(began, ended):
                longest = max(longest, fault.began - calm_since)
                calm_since = max(calm_since, fault.ended)
        return max(longest, ended - calm_since)

    def store_was_well(self, began: float, ended: float) -> bool:
        """Whether nothing that a server wrote between was held up in front of the store."""
        faults = [fault for fault in self.all if fault.process is self._stack.store or fault.what == PAUSED]
        return not any(fault.within(began - RECOVERY_SECONDS, ended) for fault in faults)
