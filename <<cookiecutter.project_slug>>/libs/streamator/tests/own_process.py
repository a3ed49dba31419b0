"""Memory, measured in a process of its own: what the threads of other tests allocate would be counted too."""

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
    """The numbers that a program prints, one a line. What `allocated()` gives in it are bytes, from its start on."""
    done = subprocess.run([sys.executable, "-c", PROLOGUE + program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [float(line) for line in done.stdout.splitlines()]
