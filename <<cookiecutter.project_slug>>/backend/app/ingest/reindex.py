"""Makes the index anew for the documents that wait for it, while the app serves."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping

from pydantic import BaseModel
from starlette.datastructures import State

from app.ingest.archive import Archive
from app.ingest.documents import Library, Unindexed
from app.ingest.extractor import Extractor
from app.ingest.pipeline import Pipeline
from app.jobs import Job, JobError, job
from app.wording import count

__all__ = ["index_anew", "reindex"]

logger = logging.getLogger(__name__)

_BATCH = 1_000_000  # characters
_TELL_SECONDS = 10.0

LOOK_SECONDS = 86_400.0
"""Between two looks for documents that wait, after that at the start."""


class ReindexArgs(BaseModel):
    """All documents that wait for it."""


@job("reindex", retries=2)
async def reindex(job: Job, args: ReindexArgs) -> None:
    """Makes the index anew, for documents of an earlier version of the app."""
    pipeline: Pipeline = job.state.ingest
    await index_anew(pipeline.library, pipeline.archive, pipeline.extractor)


@reindex.missed(every=LOOK_SECONDS)
async def _missed(state: State) -> Mapping[str, ReindexArgs]:
    return {"index": ReindexArgs()} if await state.ingest.library.unindexed() else {}


async def index_anew(library: Library, archive: Archive, extractor: Extractor, *, batch: int = _BATCH) -> None:
    """Makes the terms of all documents that have none yet, in the extractor's processes, and indexes them one by one,
    so that whoever writes waits for one document at most. Broken off, it goes on where it was.

    A document whose terms cannot be made is an error in the log; it is tried again at the next start.

    Arguments:
        batch: how many characters are given to a process at once.
    """
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
