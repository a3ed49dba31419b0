"""How the cost of a job grows with the number of jobs in the store: figures as JSON on stdout."""

from __future__ import annotations

import gc
import json
import time

from contestants import message, resident
from streamator import JobLogger, MemoryStore

LINES = 20


def main() -> None:
    made, logged, memory = [], [], []
    for count in (1, 10, 100, 1_000, 10_000):
        store = MemoryStore()
        gc.collect()
        before = resident()
        began = time.perf_counter()
        jobs = [JobLogger(store) for _ in range(count)]
        made.append((count, (time.perf_counter() - began) / count * 1e6))
        text = message(1)
        began = time.perf_counter()
        for _ in range(LINES):
            for job in jobs:
                job.log(text)
        logged.append((count, (time.perf_counter() - began) / count / LINES * 1e9))
        gc.collect()
        if count >= 1_000:
            memory.append((count, (resident() - before) / count / 1e3))
    print(json.dumps([
        ("making a job", "us", made),
        ("log() in turn", "ns", logged),
        (f"memory of an open job of {LINES} lines", "KB", memory),
    ]))  # fmt: skip


if __name__ == "__main__":
    main()
