"""How ingest is put into the app."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from app.feature import Feature, Services
from app.ingest.archive import Archive
from app.ingest.documents import Library
from app.ingest.extractor import Extractor
from app.ingest.fetch import Fetcher
from app.ingest.job import ingest
from app.ingest.pipeline import Pipeline
from app.ingest.reindex import reindex
from app.ingest.router import router
from app.ingest.validators import ValidatorTable

__all__ = ["FEATURE"]


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    services: Services = app.state.services
    settings = services.settings
    archive = Archive(services.storage, services.work)
    clearing = asyncio.create_task(archive.open())  # nobody waits for a storage that is away
    library = Library(
        services.database,
        archive,
        services.searches,
        max_documents=settings.max_documents_per_user,
        max_bytes=settings.max_archive_bytes_per_user,
    )
    services.documents.append(library)
    extractor = Extractor(services.processes)
    fetcher = Fetcher(
        max_bytes=settings.max_upload_bytes,
        allow_private=settings.ingest_allow_private_urls,
        timeout=settings.max_fetch_seconds,
    )
    app.state.ingest = Pipeline(
        library=library,
        archive=archive,
        fetcher=fetcher,
        extractor=extractor,
        validators=ValidatorTable(services.database, kept=2 * settings.max_documents_per_user),
        max_items=settings.max_feed_items,
        max_pages=settings.max_feed_pages,
        max_wait=settings.max_retry_after_seconds,
        stored=services.tell_of_documents,
    )
    yield
    clearing.cancel()
    await asyncio.wait([clearing])
    await fetcher.close()
    await library.close()
    await archive.close()


FEATURE = Feature(
    name="ingest",
    router=router,
    lifespan=_lifespan,
    larger_bodies=dict.fromkeys(("/ingest", "/ingest/stream")),  # as much as MAX_UPLOAD_MB says
    jobs=(ingest, reindex),
)
