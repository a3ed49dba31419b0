"""The worker: `python -m app.worker` runs what servers with WORKERS=redis accept, until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys

from app import logs
from app.main import create_app
from app.settings import Settings, SettingsError, load_settings

__all__ = ["main"]

logger = logging.getLogger("app.worker")


async def _work(settings: Settings) -> None:
    app = create_app(settings)
    # The same features as in a server, without its routes.
    async with app.router.lifespan_context(app):
        jobs, stop, loop = app.state.services.jobs, asyncio.Event(), asyncio.get_running_loop()
        working = asyncio.create_task(jobs.work())
        working.add_done_callback(lambda _: stop.set())
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        logger.info("the worker runs %d jobs at once", settings.max_running_jobs)
        await stop.wait()
        await jobs.shutdown()  # what runs is queued again, before the queue is let go of
        working.cancel()
        await asyncio.wait([working])
    if not working.cancelled():
        working.result()


def main() -> int:
    """Runs a worker; gives the exit status."""
    try:
        settings = load_settings()
        if settings.workers == "inline":
            raise SettingsError("WORKERS='inline' cannot be used by a worker: jobs run in the server; set it to redis.")
        logs.configure(settings)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    asyncio.run(_work(settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
