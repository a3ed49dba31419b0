"""The 68 lines of the fault suite: what happens, what must come of it, and with which stores."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["AREAS", "LINES", "STORES", "Line"]

STORES = {"memory": "memory", "dynamo": "DynamoDB", "redis": "Redis"}
"""Each store's name in tests, and in the table."""

ALL = ("memory", "dynamo", "redis")
REMOTE = ("dynamo", "redis")
MEMORY = ("memory",)
DYNAMO = ("dynamo",)
REDIS = ("redis",)
NONE: tuple[str, ...] = ()  # no store has a part in it


@dataclass(frozen=True)
class Line:
    """One line. A test guards it that is named `test_NN_...` or, in the browser, `NN: ...`."""

    what: str
    outcome: str
    stores: tuple[str, ...] = ALL


LINES: dict[int, Line] = {
    1: Line("The server is killed", "viewers come back, are told 404, and show that the job is lost", MEMORY),
    2: Line("The server is killed", "another goes on exactly after the viewer's id; `lost` after the lease", DYNAMO),
    3: Line("The server is killed", "another goes on exactly after the viewer's id; `lost` after the lease", REDIS),
    4: Line("SIGTERM with 50 streams open", "it exits within 2 s; streams end cleanly and without `done`"),
    5: Line("`--reload` with a stream open", "the new code runs within 2 s", MEMORY),
    6: Line("The store is away at the start", "nothing waits, the job runs, one warning, health is degraded", REMOTE),
    7: Line("The store is away for 10 s", "nothing is lost", REMOTE),
    8: Line(
        "The store is away at the close",
        "`close()` is bounded, and returns at once on an event loop; the loss is told, with its count",
        REMOTE,
    ),
    9: Line("The store hangs", "`log()` stays below 5 ms", REMOTE),
    10: Line("30% of the writes are throttled", "every line arrives, once", REMOTE),
    11: Line("The data is deleted in mid-job", "it is written again, or the loss is told", REMOTE),
    12: Line("Four processes create the table at once", "all of them work", DYNAMO),
    13: Line("The table is still being created", "nothing is lost in silence", DYNAMO),
    14: Line("Credentials end", "one warning; the live view goes on", REMOTE),
    15: Line("10,000 lines", "complete, past the largest item of DynamoDB", REMOTE),
    16: Line("Text that is not ASCII, near the size limit", "stored whole", REMOTE),
    17: Line("A batch is read in part", "no gap", DYNAMO),
    18: Line("An old read arrives after a newer one", "nothing goes back", REMOTE),
    19: Line("The producer is killed", "`lost` within two leases", REMOTE),
    20: Line("The producer stops for a while", "`lost` is taken back", REMOTE),
    21: Line("A job outlives its time to live", "the missing head is a gap", REMOTE),
    22: Line("Two viewers", "both see everything"),
    23: Line("A viewer comes late", "it sees everything"),
    24: Line("A viewer comes after the end", "the whole log is replayed"),
    25: Line("A viewer leaves", "all it held is free within 1 s", NONE),
    26: Line("A viewer vanishes, and its packets", "freed when the time to send is over"),
    27: Line("A viewer never reads", "bounded memory; the others notice nothing", NONE),
    28: Line("2,000 viewers who wait", "40 KB each at most, and all of it freed", NONE),
    29: Line("10,000 connections, made and closed", "nothing grows", NONE),
    30: Line("`Last-Event-ID: n`", "exactly n+1 and what follows"),
    31: Line("`Last-Event-ID` twice", "one cursor, always the same", NONE),
    32: Line("An id of the future, negative, garbage, of 400 digits", "never a 5xx, nothing hangs"),
    33: Line("An id from another run", "the whole log of this one"),
    34: Line("Resuming at the end of a closed log", "204"),
    35: Line("Header and query disagree", "the header counts"),
    36: Line("nginx in front, also with gzip on", "each event within 300 ms", MEMORY),
    37: Line("502 while the server starts again", "the page recovers by itself"),
    38: Line("Seven panels on a page over HTTP/1.1", "the page still works"),
    39: Line("The clock jumps by an hour", "`t` never falls; nothing counts as lost"),
    40: Line("CR, LF, `data:` in a message", "one event, as it was"),
    41: Line("NUL, U+2028, emoji", "as they were"),
    42: Line("A lone surrogate", "the stream goes on"),
    43: Line("NaN, Infinity", "strict JSON"),
    44: Line("Objects, sets, bytes, a cycle, a `__str__` that raises", "text, never an exception"),
    45: Line("A message of 10 MB", "cut, with a marker"),
    46: Line("An event is changed after `emit`", "it is sent as it was"),
    47: Line("An event of one's own named `done`", "it does not end the stream"),
    48: Line("40 threads", "all of it, in each thread's order"),
    49: Line("A thread logs while the loop is idle", "seen within 100 ms"),
    50: Line("A forked child logs", "a clear error, or it works"),
    51: Line("A line after the close", "a warning; it is dropped"),
    52: Line("`close()` twice, and from two threads", "one `done`"),
    53: Line("The job raises", "an error entry, then `done` with `failed`"),
    54: Line("Cancelled before its first step", "`done` with `cancelled`"),
    55: Line("The loop closes in mid-job", "no traceback"),
    56: Line("A logger made outside any loop", "it works"),
    57: Line("`../`, `%2f`, `#`, 10 KB as a job's id", "404 or 422; nothing reaches the store"),
    58: Line("A flood of unknown ids", "few reads of the store; nothing grows"),
    59: Line("Another user's job", "the same 404 as a missing one; their stats are theirs", NONE),
    60: Line("A WebSocket from another site's page", "403", NONE),
    61: Line("Another site's page starts or cancels a job", "refused", NONE),
    62: Line("`Access-Control-Allow-Origin: *` with credentials", "never", NONE),
    63: Line("A token in the query", "short-lived, for one job, absent from the access log", NONE),
    64: Line("A token ends in mid-stream", "the stream ends; 401 on the way back", NONE),
    65: Line("`<img onerror>`, `javascript:`, ANSI, bidi controls", "inert", NONE),
    66: Line("100,000 jobs that never close", "a bound; the oldest go", MEMORY),
    67: Line("WebSocket: a frame of 10 MB; no pong", "closed", NONE),
    68: Line("Too many streams for one user", "429, and the page polls", NONE),
}
"""By number: the number is part of its tests' names."""

AREAS = {1: "Process and store", 22: "Viewers", 40: "Content", 48: "Producers", 57: "Abuse"}
"""What the lines from this number on are about."""
