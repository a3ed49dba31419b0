"""Memory measured in a separate process, so that allocations of other tests' threads are not counted."""

from __future__ import annotations

import subprocess
import sys

PROLOGUE = """
import asyncio, gc, tracemalloc
from streamator import EventLog, JobLogger, MemoryStore, follow

def allocated():
    return tracemalloc.get_traced_memory()[0]

gc.collect()
tracemalloc.start()
"""


def figures_of(program: str) -> list[float]:
    """The numbers that a program prints, one a line. In it, `allocated()` is the bytes allocated since its start."""
    done = subprocess.run([sys.executable, "-c", PROLOGUE + program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [float(line) for line in done.stdout.splitlines()]
