"""The viewers: one process, raw sockets, nothing parsed while the clock runs.

It takes one task as JSON on stdin and gives its figures as JSON on stdout. See `watch`, `late` and `idle`.
"""

from __future__ import annotations

import json
import re
import resource
import selectors
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

NUMBER = re.compile(rb'"message": ?"([0-9]{9}) ')
STAMP = re.compile(rb'"message": ?"[0-9]{9} ([0-9]+) ')


def get(port: int, path: str) -> Any:
    """The JSON answer to a request."""
    with connect(port, path) as one:
        data = b""
        while piece := one.recv(65_536):
            data += piece
    return json.loads(body(data))


def connect(port: int, path: str) -> socket.socket:
    one = socket.create_connection(("127.0.0.1", port))
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    one.sendall(f"GET {path} HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n".encode())
    return one


def body(data: bytes) -> bytes:
    """What an HTTP answer holds, without the sizes between its chunks."""
    head, _, rest = data.partition(b"\r\n\r\n")
    if b"transfer-encoding: chunked" not in head.lower():
        return rest
    parts, at = [], 0
    while at < len(rest):
        line = rest.index(b"\r\n", at)
        size = int(rest[at:line], 16)
        parts.append(rest[line + 2 : line + 2 + size])
        at = line + size + 4
    return b"".join(parts)


def read_all(port: int, paths: list[str], trigger: str | None, stamps: bool) -> tuple[list[bytes], float, Any, Any]:
    """Open the streams, start the jobs, read everything: (the bytes of each, when the last came, the trigger's
    answer, delays in seconds)."""
    selector = selectors.DefaultSelector()
    streams = [connect(port, path) for path in paths]
    received = [bytearray() for _ in paths]
    for index, one in enumerate(streams):
        one.setblocking(False)
        selector.register(one, selectors.EVENT_READ, index)
    answer = bytearray()
    control = connect(port, trigger) if trigger else None
    if control is not None:
        control.setblocking(False)
        selector.register(control, selectors.EVENT_READ, -1)
    buffer = bytearray(262_144)
    view = memoryview(buffer)
    pending = len(streams) + (control is not None)
    last = 0.0
    delays: list[float] = []
    while pending:
        ready = selector.select(60)
        if not ready:
            raise SystemExit(f"nothing came for 60 s; {pending} streams have not ended")
        for key, _ in ready:
            stream: Any = key.fileobj
            size = stream.recv_into(buffer)
            if not size:
                selector.unregister(stream)
                stream.close()
                pending -= 1
            elif key.data < 0:
                answer += view[:size]
            else:
                received[key.data] += view[:size]
                last = time.monotonic()
                if stamps:
                    delays += [last - int(stamp) / 1e9 for stamp in STAMP.findall(view[:size])]
    return [bytes(one) for one in received], last, json.loads(body(bytes(answer))) if trigger else None, delays


def check(streams: list[bytes], count: int) -> None:
    """Every viewer has every entry once, in order."""
    expected = [b"%09d" % n for n in range(1, count + 1)]
    for index, stream in enumerate(streams):
        numbers = NUMBER.findall(body(stream))
        if numbers != expected:
            wrong = next((n for n, pair in enumerate(zip(numbers, expected)) if pair[0] != pair[1]), len(numbers))  # noqa: B905
            raise SystemExit(f"viewer {index} has {len(numbers)} entries of {count}, wrong from number {wrong + 1} on")


def watch(port: int, how: str, n: int, viewers: int, jobs: int = 1, rate: float = 0) -> dict[str, Any]:
    """Live viewers of jobs that log ``n`` entries: how many events arrived a second, and how late they were."""
    paths = get(port, f"/bench/new?jobs={jobs}") * (viewers // jobs)
    trigger = f"/bench/run?how={how}&n={n}&viewers={viewers}&rate={rate}"
    streams, last, answer, delays = read_all(port, paths, trigger, stamps=how == "rate")
    check(streams, n // jobs)
    seconds = last - answer["began"]
    result = {"seconds": seconds, "events_per_s": n // jobs * viewers / seconds, "logged": answer["logged"]}
    if delays:
        delays.sort()
        result |= {"p50": delays[len(delays) // 2], "p99": delays[len(delays) * 99 // 100]}
    return result


def late(port: int, n: int, times: int) -> dict[str, Any]:
    """A job of ``n`` entries is over when the first viewer comes; how long each of them reads, one after another."""
    paths = get(port, "/bench/new")
    get(port, f"/bench/run?how=burst&n={n}&viewers=0")
    took = []
    for _ in range(times):
        began = time.monotonic()
        streams, last, _, _ = read_all(port, paths, None, stamps=False)
        took.append(last - began)
        check(streams, n)
    return {"first": took[0], "next": min(took[1:], default=0.0)}


def idle(port: int, viewers: int, seconds: float) -> dict[str, Any]:
    """Streams on which nothing happens: memory for each, and the share of a CPU for all."""
    (path,) = get(port, "/bench/new")

    def opened(count: int) -> list[socket.socket]:
        streams = [connect(port, path) for _ in range(count)]
        for one in streams:
            one.settimeout(60)
            one.recv(4_096)
        return streams

    streams = opened(200)  # what is allocated once, is
    time.sleep(1.5)
    before = get(port, "/bench/memory")
    streams += opened(viewers)
    time.sleep(1.5)
    full = get(port, "/bench/memory")
    cpu, clock = get(port, "/bench/cpu")
    time.sleep(seconds)
    cpu_then, clock_then = get(port, "/bench/cpu")
    for one in streams:
        one.close()
    return {"bytes": (full - before) / viewers, "cpu": (cpu_then - cpu) / (clock_then - clock)}


if __name__ == "__main__":
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
    task = json.load(sys.stdin)
    tasks: dict[str, Callable[..., dict[str, Any]]] = {"watch": watch, "late": late, "idle": idle}
    print(json.dumps(tasks[task.pop("do")](**task)))
