"""Documents without the feature that takes them in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI

from app.documents import DocumentVersion, SourceDocument
from app.feature import Feature, Services
from app.users import LOCAL_USER, User

BRIDGES = "A suspension bridge hangs from cables. The cables of a suspension bridge run over towers of steel and stone."
CATS = "The cat sat on the mat. The cat on the mat was a cat of cats, and the mat was red."


class Shelf:
    """A source of documents in memory."""

    def __init__(self) -> None:
        self.documents: dict[str, SourceDocument] = {}
        self._tell: Callable[[str], object] | None = None
        self._tell_of_removed: Callable[[SourceDocument], object] = lambda document: None

    async def document_versions(self) -> Mapping[str, DocumentVersion]:
        return {
            identifier: DocumentVersion(document.user_id, document.version)
            for identifier, document in self.documents.items()
        }

    async def document(self, identifier: str) -> SourceDocument | None:
        return self.documents.get(identifier)

    def put(self, identifier: str, text: str = BRIDGES, *, user: User = LOCAL_USER) -> None:
        """Puts a document there, or the next version of it."""
        before = self.documents.get(identifier)
        version = 1 if before is None else before.version + 1
        self.documents[identifier] = SourceDocument(identifier, user.id, f"Title of {identifier}", text, version)
        if self._tell is not None:
            self._tell(user.id)

    def remove(self, identifier: str) -> None:
        """Takes a document away."""
        self._tell_of_removed(self.documents.pop(identifier))

    def feature(self) -> Feature:
        """A feature that offers the documents."""

        @asynccontextmanager
        async def lifespan(app: FastAPI) -> AsyncIterator[None]:
            services: Services = app.state.services
            services.documents.append(self)
            loop = asyncio.get_running_loop()
            self._tell = lambda user: asyncio.run_coroutine_threadsafe(services.tell_of_documents(user), loop).result(5)

            def tell_of_removed(document: SourceDocument) -> None:
                told = services.tell_of_removed(document.id, User(document.user_id, ""))
                asyncio.run_coroutine_threadsafe(told, loop).result(5)

            self._tell_of_removed = tell_of_removed
            yield

        return Feature(name="shelf", router=APIRouter(), lifespan=lifespan)
