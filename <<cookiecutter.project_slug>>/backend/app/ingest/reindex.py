"""Makes the index anew for the documents that wait for it, while the app serves."""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path

from app.election import elected
from app.ingest.archive import Archive
from app.ingest.documents import Library, Unindexed
from app.ingest.extractor import Extractor
from app.jobs import JobError
from app.wording import count

__all__ = ["index_anew"]

logger = logging.getLogger(__name__)

_BATCH = 1_000_000  # characters
_TELL_SECONDS = 10.0


async def index_anew(
    library: Library,
    archive: Archive,
    extractor: Extractor,
    lock: Path,
    *,
    batch: int = _BATCH,
    look: float = 5.0,
) -> None:
    """Makes the terms of all documents that have none yet, in the extractor's processes, and indexes them one by one,
    so that whoever writes waits for one document at most. Whenever it is broken off it goes on where it was.

    Of all servers on the same data one does so, and another when that one ends. A document whose terms cannot be made
    is an error in the log; it is tried again at the next start.

    Arguments:
        lock: the file by which one server is elected.
        batch: how many characters are given to a process at once.
        look: seconds between two tries to be elected, and before it goes on after an error.
    """
    while True:
        try:
            if not await library.unindexed():
                return
            with elected(lock) as is_elected:
                if is_elected:
                    await _index_all(library, archive, extractor, batch)
                    return
        except Exception:
            logger.exception("the search index is not complete; making it anew goes on in %g s", look)
        await asyncio.sleep(look)


async def _index_all(library: Library, archive: Archive, extractor: Extractor, batch: int) -> None:
    total = await library.unindexed()
    logger.info("the search index is made anew: %s", count(total, "document"))
    failed: set[int] = set()
    done, told_at = 0, time.monotonic()
    while documents := await library.to_index(batch, failed):
        for document, terms in await _terms(documents, archive, extractor):
            if terms is None:
                failed.add(document.position)
            else:
                await library.index(document, terms)
        done += len(documents)
        if time.monotonic() - told_at >= _TELL_SECONDS:
            told_at = time.monotonic()
            logger.info("the search index is made anew: %s of %s", f"{done:,}", count(total, "document"))
    left = f"; {count(len(failed), 'document')} could not be indexed" if failed else ""
    logger.info("the search index is complete: %s%s", count(total - len(failed), "document"), left)


async def _terms(
    documents: list[Unindexed], archive: Archive, extractor: Extractor
) -> list[tuple[Unindexed, bytes | None]]:
    """The terms of each document; None where they cannot be made, which is known only of one that is alone."""
    try:
        with archive.work.new() as folder:
            made = await extractor.make_terms([document.text for document in documents], folder)
    except JobError as error:
        if len(documents) == 1:
            logger.error("the document at %s cannot be indexed: %s", documents[0].position, error)
            return [(documents[0], None)]
        return [each for document in documents for each in await _terms([document], archive, extractor)]
    return list(zip(documents, made, strict=True))
