"""How long a search takes in a library, what its index takes on disk, and how fast it is made, as JSON on stdout.

    PYTHONPATH=<project>/backend python search.py 10000

That many documents of 5,000 characters, two fifths of them in English words, and a fifth each in Cyrillic and, without
blanks, in Chinese and Thai, by a Zipf distribution. They are stored as versions before the tokenizer did and indexed
anew; `before` is of that, with the text that SQLite's own tokenizer made words of. `queries_ms` has for each query the
median and the 95th percentile of 20, and `plain`, the median of what SQLite takes for the same beside it: the 50 best
of its own tokenizer, with no snippets, no total and no users. `cpu` is the mean of the processor's time, which
does not depend on what else the machine does: it exits with 1 where that is over 50 ms.
"""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from app.database import Database
from app.ingest.archive import Archive
from app.ingest.documents import Library
from app.migrations.hand_made import STEPS
from app.processes import Processes
from app.searches import Searches
from app.storage import Folder, WorkFolder
from app.terms import pack_terms
from app.users import LOCAL_USER

CHARACTERS, WORDS = 5_000, 40_000
OLD_STEPS = 3
MOST_MS, TIMES = 50, 20
QUERIES = {
    "one word": "needle",
    "a frequent word": "the",
    "in all documents": "document",
    "two words": "rare word",
    "two frequent words": "the document",
    "phrase": '"python 3.11 a needle"',
    "phrase of frequent words": '"the the"',
    "prefix": "th",
    "one letter": "e",
    "all letters": "e t a o i n s h r d l u c m f w",
    "symbols": "C++",
    "Cyrillic": "слово",
    "one frequent Chinese character": "的",
    "one Chinese character": "不",
    "two frequent Chinese characters": "的 首",
    "Chinese word": "首都",
    "Chinese phrase": "首都的首都",
    "Thai word": "ไทย",
    "nothing found": "nothinglikeit",
}


def texts(number: int) -> Iterator[str]:
    chance = random.Random(1)
    latin = [
        "the",
        *("".join(chance.choices("etaoinshrdlucmfwypvbgk", k=chance.randint(2, 10))) for _ in range(WORDS)),
    ]
    cyrillic = ["слово", *("".join(chance.choices("оеаинтсрвлкмдпуя", k=chance.randint(2, 10))) for _ in range(WORDS))]
    han = ["的", "首都", *("".join(chr(0x4E00 + chance.randrange(4_000)) for _ in range(2)) for _ in range(WORDS))]
    thai = ["ไทย", *("".join(chance.choices("กขคงจชดตทนบปพมยรลวสหอาิีุ", k=chance.randint(2, 7))) for _ in range(WORDS))]
    for index in range(number):
        words, blank = ((latin, " "), (cyrillic, " "), (latin, " "), (han, ""), (thai, ""))[index % 5]
        text, length = [f"Document {index}."], 0
        while length < CHARACTERS:
            word = words[min(int(chance.paretovariate(0.6)), len(words)) - 1]
            text.append(word + chance.choices(("", ",", ".\n"), (20, 1, 1))[0])
            length += len(word) + len(blank)
        if index % 100 == 0:
            text.insert(len(text) // 2, " rare word of C++ and Python 3.11, a needle ")
        yield blank.join(text)


def plain_search(expression: str, path: Path) -> None:
    statement = "SELECT rowid FROM documents_index WHERE documents_index MATCH ? ORDER BY rank LIMIT 50"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement, (expression,)).fetchall()


async def timed(work: Callable[[], Awaitable[object]]) -> float:
    started = time.perf_counter()
    await work()
    return (time.perf_counter() - started) * 1_000


async def measure(directory: Path, number: int) -> dict[str, Any]:
    path = directory / "app.db"
    old = sqlite3.connect(path, isolation_level=None)
    old.execute("PRAGMA journal_mode = WAL")
    old.execute("PRAGMA synchronous = NORMAL")
    old.execute("CREATE TABLE schema_versions (part TEXT PRIMARY KEY, version INTEGER NOT NULL)")
    for part, steps in STEPS.items():
        taken = steps[:OLD_STEPS] if part == "ingest" else steps
        for each in (statement for step in taken for statement in step):
            old.execute(each)
        old.execute("INSERT INTO schema_versions VALUES (?, ?)", (part, len(taken)))
    rows = [
        (
            f"d{index}",
            "local",
            f"{index:064}",
            f"Document {index}",
            "x",
            "x",
            "text",
            1,
            1,
            "2026-01-01T00:00:00+00:00",
            text,
        )
        for index, text in enumerate(texts(number))
    ]
    megabytes = sum(len(row[-1].encode()) for row in rows) / 1e6
    started = time.perf_counter()
    columns = "id, user_id, sha256, title, source, file_name, kind, words, bytes, created_at, text"
    statement = f"INSERT INTO documents ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    for row in rows:
        old.execute(statement, row)
    before = {"store_and_index_s": time.perf_counter() - started}
    plain = {}
    for name, query in QUERIES.items():
        expression = " ".join(f'"{word}"*' for word in query.split()) if '"' not in query else query
        match = partial(asyncio.to_thread, plain_search, expression, path)
        plain[name] = statistics.median([await timed(match) for _ in range(TIMES)])
    old.close()
    before["bytes_per_byte_of_text"] = path.stat().st_size / megabytes / 1e6

    database = Database(f"sqlite:///{path}")
    started = time.perf_counter()
    await database.open()
    migrate = time.perf_counter() - started
    library = Library(
        database,
        Archive(Folder(directory / "archive"), WorkFolder(directory / "work")),
        Searches(database, Processes()),
    )
    making = indexing = 0.0
    while documents := await library.to_index(1_000_000):
        for document in documents:
            started = time.perf_counter()
            terms = pack_terms(document.text)
            made = time.perf_counter()
            await library.index(document, terms)
            making, indexing = making + made - started, indexing + time.perf_counter() - made
    queries = {}
    for name, query in QUERIES.items():
        total = (await library.find(query, user=LOCAL_USER)).total
        began = time.process_time()
        times = sorted([await timed(partial(library.find, query, user=LOCAL_USER)) for _ in range(TIMES)])
        cpu = (time.process_time() - began) * 1_000 / TIMES
        took = {
            "median": statistics.median(times),
            "p95": times[TIMES * 95 // 100 - 1],
            "cpu": cpu,
            "plain": plain[name],
        }
        queries[name] = {"query": query, "found": total, **took}
    await database.close()
    database = Database(f"sqlite:///{path}")
    await database.open()
    await database.close()
    return {
        "documents": number, "text_mb": megabytes, "before": before, "migrate_s": migrate,
        "terms_mb_per_s": megabytes / making, "index_mb_per_s": megabytes / indexing,
        "bytes_per_byte_of_text": path.stat().st_size / megabytes / 1e6, "queries_ms": queries,
    }  # fmt: skip


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        found = asyncio.run(measure(Path(made), int(sys.argv[1])))
    print(json.dumps(found, ensure_ascii=False, indent=2, default=float))
    if slow := [name for name, took in found["queries_ms"].items() if took["cpu"] > MOST_MS]:
        sys.exit(f"more than {MOST_MS} ms: {', '.join(slow)}")
