"""The app: `create_app` puts the parts together, `app` is what uvicorn runs (`uvicorn app.main:app`)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import AsyncIterator, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING

from fastapi import APIRouter, Depends, FastAPI
from prometheus_client import ProcessCollector
from streamator import open_store
from streamator.emitter import start_reaper
from streamator.fastapi import add_job_routes, add_log_routes
from streamator.metrics import add_metrics_route
from streamator.shutdown import watch_signals

from app import jobs, logs, project, routes
from app.database import Database
from app.errors import add_error_handlers
from app.feature import Feature, Services
from app.features import FEATURES
from app.headers import SecurityHeaders
from app.health import Readiness
from app.jobs.engines import Engine
from app.jobs.engines.inline import InlineEngine
from app.private import keep_private
from app.processes import Processes
from app.root_path import RootPath
from app.searches import Searches
from app.security import BodyLimit, CrossSiteGuard, HostGuard
from app.settings import Settings, SettingsError, load_settings
from app.static import SinglePageApp
from app.storage import Storage, WorkFolder, check_storage, open_storage
from app.streams import AnswerLimit
from app.watchdog import watch_loop

__all__ = ["create_app"]

logger = logging.getLogger(__name__)

_REAPER_INTERVAL = 60.0

if TYPE_CHECKING:
    app: FastAPI


def create_app(settings: Settings | None = None, *, features: Sequence[Feature] = FEATURES) -> FastAPI:
    """Makes an app. Nothing is opened or started before its lifespan begins.

    Arguments:
        settings: all that can be set; without it, read from the environment.
        features: the app's own pages.

    Raises:
        SettingsError: the environment holds a value that cannot be used.
    """
    settings = settings or load_settings()
    signs_in = settings.auth != "none"
    authentications = [each.authentication for each in features if each.authentication is not None and signs_in]
    if signs_in and not authentications:
        raise SettingsError(f"AUTH={settings.auth!r} cannot be used: nothing here signs people in; set it to none.")
    store = open_store(settings.streamator_store, **settings.store_options)
    work = WorkFolder(settings.data_dir / "work")
    storage = open_storage(settings.storage_url, settings.data_dir / "archive", work)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(os.umask, await asyncio.to_thread(keep_private, settings.data_dir))
            # Left in the opposite order: no job runs when its feature, the store and the database go.
            database = Database(settings.database)
            stack.push_async_callback(database.close)
            await database.open()
            stack.push_async_callback(asyncio.to_thread, store.close)
            engine = _engine(settings)
            stack.push_async_callback(engine.close)
            await engine.open()
            runner = jobs.JobRunner(
                jobs.JobTable(database, lease=settings.streamator_lease_seconds, kept=settings.max_kept_jobs),
                store,
                [kind for feature in features for kind in feature.jobs],
                app.state,
                engine,
                limit=settings.max_running_jobs,
                per_user=settings.max_running_jobs_per_user,
                queued=settings.max_queued_jobs,
                seconds=settings.max_job_seconds,
            )
            memory = settings.max_reading_bytes
            processes = Processes(seconds=settings.max_reading_seconds, memory_bytes=memory)
            stack.push_async_callback(processes.close)
            searching = Processes(
                seconds=settings.max_search_seconds, memory_bytes=memory, setting="MAX_SEARCH_SECONDS"
            )
            searches, readiness = Searches(database, searching), Readiness(store, database, storage)
            stack.push_async_callback(searches.close)
            if settings.storage_url is not None:
                checking = asyncio.create_task(_tell_of_problems(storage))  # nobody waits for one that is away
                stack.callback(checking.cancel)
            app.state.services = Services(
                settings, database, store, runner, readiness, processes, searches, storage, work
            )
            watch_signals()  # so that it is known when the server is told to stop, also where no stream is open
            for feature in features:
                await stack.enter_async_context(feature.lifespan(app))
            stack.push_async_callback(runner.shutdown)
            watch = asyncio.create_task(runner.watch())
            stack.callback(watch.cancel)
            reaper = asyncio.create_task(
                start_reaper(
                    ttl_seconds=settings.job_ttl_seconds,
                    interval=min(_REAPER_INTERVAL, settings.job_ttl_seconds),
                )
            )
            stack.callback(reaper.cancel)
            stack.enter_context(watch_loop(settings.watchdog_ms / 1_000))
            yield

    app = FastAPI(
        title=project.PROJECT_NAME,
        description=project.DESCRIPTION,
        version=version("app"),
        lifespan=lifespan,
        openapi_url="/api/openapi.json",
        # Their pages run scripts of another site, with the rights of whoever opens them.
        docs_url=None,
        redoc_url=None,
    )
    add_error_handlers(app)
    app.include_router(routes.root)
    app.include_router(routes.api, prefix="/api")
    for feature in features:
        app.include_router(feature.router, prefix="/api")
    own_jobs = APIRouter(dependencies=[Depends(routes.own_job)])
    add_log_routes(own_jobs, prefix="/log", store=store)
    add_job_routes(own_jobs, prefix="/job", store=store)
    # A job is cancelled by the runner, which knows also of those that wait.
    own_jobs.routes = [route for route in own_jobs.routes if not getattr(route, "path", "").endswith("/cancel")]
    app.include_router(own_jobs, prefix="/api")
    if settings.metrics:
        ProcessCollector(registry=add_metrics_route(app, store=store).registry)  # and what the process takes
    if settings.static_dir is not None:
        app.mount("/", SinglePageApp(directory=settings.static_dir, html=True))
    # The last that is added is the first that a request comes to.
    larger = {f"/api{path}": limit for feature in features for path, limit in feature.larger_bodies.items()}
    app.add_middleware(BodyLimit, limit=settings.max_body_kb * 1_000, seconds=settings.max_body_seconds, larger=larger)
    app.add_middleware(
        AnswerLimit,
        streams=settings.max_streams,
        streams_per_user=settings.max_streams_per_user,
        answers_per_user=settings.max_answers_per_user,
    )
    for authentication in authentications:
        app.add_middleware(authentication)
    app.add_middleware(CrossSiteGuard)
    if settings.host_names is not None:
        app.add_middleware(HostGuard, hosts=settings.host_names)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(logs.RequestIds)
    if settings.root_path is not None:
        app.add_middleware(RootPath, root=settings.root_path)
    return app


def _engine(settings: Settings) -> Engine:
    if settings.workers == "inline":
        return InlineEngine()
    try:
        from app.jobs.engines.queue import QueueEngine
    except ImportError as error:
        raise SettingsError(f"WORKERS='redis' cannot be used: {error}: pip install 'app[workers]'.") from error

    return QueueEngine(settings.streamator_redis_url, project.PROJECT_SLUG)


async def _tell_of_problems(storage: Storage) -> None:
    if problem := await check_storage(storage):
        logger.error("files cannot be kept: %s", problem)


def __getattr__(name: str) -> FastAPI:
    # Made when uvicorn asks for it, not on import: tests and tools import create_app without an environment.
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        settings = load_settings()
        logs.configure(settings)
        made = create_app(settings)
    except SettingsError as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None
    globals()["app"] = made
    return made
