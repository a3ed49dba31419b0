"""What a part of the app brings, and what all parts share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp
from streamator import Store

from app.database import Database
from app.documents import DocumentSource
from app.health import Readiness
from app.jobs import JobKind, JobRunner
from app.processes import Processes
from app.searches import Searches
from app.settings import Settings
from app.storage import Storage, WorkFolder
from app.users import User

__all__ = ["Feature", "Services", "SharedServices"]


@dataclass(frozen=True)
class Services:
    """What every part of the running app may use. The lifespan puts it in `app.state.services`."""

    settings: Settings
    database: Database
    store: Store
    jobs: JobRunner
    readiness: Readiness
    processes: Processes
    """Where a stranger's input is read."""
    searches: Searches
    """Where the database is searched."""
    storage: Storage
    """Where files are kept."""
    work: WorkFolder
    """Where they are while something on this machine works on them."""
    documents: list[DocumentSource] = field(default_factory=list)
    """Where documents are: a feature that keeps some adds itself, one that works on them reads from all."""
    on_documents: list[Callable[[str], Awaitable[None]]] = field(default_factory=list)
    """Called with a user's id when there is a new document of theirs, or one is another: a feature that works on them
    adds what it does then, one that keeps some calls `tell_of_documents`."""
    on_removed: list[Callable[[str, User], Awaitable[object]]] = field(default_factory=list)
    """Called with the id of a document that is not there any more, and its user."""

    async def tell_of_documents(self, user_id: str) -> None:
        """Tells those who want to know that there is a new document of a user's, or one is another."""
        for tell in self.on_documents:
            await tell(user_id)

    async def tell_of_removed(self, document_id: str, user: User) -> None:
        """Tells them that a document of a user's is not there any more."""
        for tell in self.on_removed:
            await tell(document_id, user)


def _services(connection: HTTPConnection) -> Services:
    services: Services = connection.app.state.services
    return services


SharedServices = Annotated[Services, Depends(_services)]
"""The type of a route's parameter that wants the services."""


@dataclass(frozen=True)
class Feature:
    """A part of the app that can be deleted: one folder, and its lines in `app.features`.

    Arguments:
        name: what it is called.
        router: its routes, put under /api.
        lifespan: what it holds open while the app runs. It is entered when `app.state.services` is there,
            and left when no job runs any more.
        authentication: a middleware that every request goes through, unless AUTH is none: it puts the `User` into
            `scope["user"]`, or refuses. Of the feature with which people sign in; without one, AUTH has to be none.
        larger_bodies: the paths of its routes that take more than MAX_BODY_KB, and how many bytes; None for one that
            takes multipart forms, and sees to these by itself.
        jobs: the kinds of jobs that it has.
    """

    name: str
    router: APIRouter
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]]
    authentication: Callable[[ASGIApp], ASGIApp] | None = None
    larger_bodies: Mapping[str, int | None] = field(default_factory=dict)
    jobs: Sequence[JobKind[Any]] = ()
