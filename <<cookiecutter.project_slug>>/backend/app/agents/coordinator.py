"""The coordinator: finds the documents that nobody has worked on, and hands them out."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

from streamator import Store

from app.agents.activity import ActivityLog
from app.agents.events import AGENTS, AgentStatus, WorkerName
from app.agents.findings import Findings
from app.agents.workers import WORKERS
from app.documents import DocumentSource, SourceDocument
from app.election import elected
from app.jobs import JobError
from app.processes import Processes
from app.wording import clip

__all__ = ["Coordinator"]

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""Between two looks for new documents, and between two tries to be elected."""

HEARTBEAT_SECONDS = 10.0

RUN_EVENTS = 2_000
"""After so many events a new run begins: its log, which whoever opens the page reads from the start, stays short."""


class Coordinator:
    """Works through the documents of all sources, one after the other, each by all workers at once; of each user one,
    in turn.

    Of all processes on the same data one does so; another takes over when that one ends. What a worker has done is
    stored, so that nothing is done twice: only what was under way is begun again.

    Arguments:
        store: where runs are logged.
        findings: where the workers' results are kept.
        sources: where documents are; may grow while this runs.
        lock: the file by which one process is elected.
        processes: where the workers have their work done.
        look, heartbeat: seconds; see `LOOK_SECONDS` and `HEARTBEAT_SECONDS`.
        run_events: see `RUN_EVENTS`.
    """

    def __init__(
        self,
        store: Store,
        findings: Findings,
        sources: Sequence[DocumentSource],
        lock: Path,
        processes: Processes,
        *,
        look: float = LOOK_SECONDS,
        heartbeat: float = HEARTBEAT_SECONDS,
        run_events: int = RUN_EVENTS,
    ) -> None:
        self._store = store
        self._findings = findings
        self._sources = sources
        self._lock = lock
        self._processes = processes
        self._look = look
        self._heartbeat = heartbeat
        self._run_events = run_events
        self._beat_at = 0.0
        self._last_user = ""

    async def run(self) -> None:
        """Works whenever this process is the elected one, until it is cancelled."""
        while True:
            with elected(self._lock) as is_elected:
                if is_elected:
                    try:
                        await self._lead()
                    except Exception:
                        logger.exception("the agents stopped; they begin again in %s s", self._look)
            await asyncio.sleep(self._look)

    async def _lead(self) -> None:
        log = await self._begin_run()
        try:
            while True:
                looked_at = time.monotonic()
                for user_id, document_id, workers in await self._todo():
                    await self._hand_out(document_id, workers, log)
                    self._last_user = user_id
                    log = await self._keep_up(log, "running", "At work")
                    if time.monotonic() - looked_at >= self._look:
                        break  # somebody else may have one now
                else:
                    log = await self._keep_up(log, "waiting", self._waiting())
                    await asyncio.sleep(self._look)
        finally:
            log.close("cancelled")

    async def _begin_run(self, before: ActivityLog | None = None) -> ActivityLog:
        log = ActivityLog(self._store)
        try:
            # The row goes first: who has seen the end of a run finds the next one.
            await self._findings.begin_run(log.run_id)
        except BaseException:
            log.close("failed")
            raise
        if before is not None:
            before.close("completed")
        self._beat(log, "waiting", self._waiting())
        return log

    async def _keep_up(self, log: ActivityLog, status: AgentStatus, message: str) -> ActivityLog:
        """Shows that all are there, when it is time to; gives the log to go on with."""
        if log.events >= self._run_events:
            return await self._begin_run(log)
        if time.monotonic() - self._beat_at >= self._heartbeat:
            self._beat(log, status, message)
        return log

    def _beat(self, log: ActivityLog, status: AgentStatus, message: str) -> None:
        self._beat_at = time.monotonic()
        for agent_name in AGENTS:
            log.heartbeat(agent_name, status, message)

    def _waiting(self) -> str:
        return "Waiting for documents" if self._sources else "No part of this app keeps documents: nothing to do"

    async def _todo(self) -> list[tuple[str, str, list[WorkerName]]]:
        """The documents on which somebody has still to work, each with its user, and who: the oldest of each user, from
        the user on whose turn it is, then the next of each. What is known of deleted ones, and of what others were
        before they changed, is forgotten."""
        there = [each for source in self._sources for each in (await source.document_versions()).items()]
        done = await self._findings.done()
        if self._sources and (gone := done.keys() - {(document_id, known.version) for document_id, known in there}):
            await self._findings.remove(gone)
        of_users: dict[str, list[tuple[str, list[WorkerName]]]] = {}
        for document_id, (user_id, version) in there:
            workers = [name for name in WORKERS if name not in done.get((document_id, version), ())]
            if workers:
                of_users.setdefault(user_id, []).append((document_id, workers))
        users = sorted(of_users, key=lambda user_id: (user_id <= self._last_user, user_id))
        rounds = zip_longest(*([(user_id, *each) for each in of_users[user_id]] for user_id in users))
        return [each for round in rounds for each in round if each is not None]

    async def _hand_out(self, document_id: str, workers: Sequence[WorkerName], log: ActivityLog) -> None:
        document = await self._document(document_id)
        if document is None:  # deleted while it waited for its turn
            return
        title = clip(document.title)
        activity = log.register_activity("coordinator", document.id, f"Handing out {title}", user_id=document.user_id)
        finished = 0

        async def work(name: WorkerName) -> None:
            nonlocal finished
            await self._work(name, document, log)
            finished += 1
            message = f"{finished} of {len(workers)} are done with {title}"
            log.update_activity(activity, message, round(100 * finished / len(workers)))

        # All are waited for also when one fails: none is left behind that reports to a log which is closed.
        results = await asyncio.gather(*map(work, workers), return_exceptions=True)
        if errors := [each for each in results if isinstance(each, BaseException)]:
            raise errors[0]
        log.complete_activity(activity, f"All are done with {title}")

    async def _work(self, name: WorkerName, document: SourceDocument, log: ActivityLog) -> None:
        title = clip(document.title)
        activity = log.register_activity(name, document.id, f"Reading {title}", user_id=document.user_id)

        def report(message: str, progress: float) -> None:
            log.update_activity(activity, message, progress)

        try:
            outcome = await WORKERS[name](document, report, self._processes)
        except Exception as error:
            logger.exception("the %s could not work on the document %s", name, document.id)
            await self._findings.add(name, document, {}, failed=True)
            mistake = f"unexpected {type(error).__name__}; the server's log says more"
            if isinstance(error, JobError):
                mistake = str(error)
            log.complete_activity(activity, f"{title}: {mistake}", status="failed")
        else:
            await self._findings.add(name, document, outcome.found, index=outcome.index)
            log.complete_activity(activity, f"{title}: {outcome.message}", outcome.found or None)

    async def _document(self, document_id: str) -> SourceDocument | None:
        for source in self._sources:
            if (document := await source.document(document_id)) is not None:
                return document
        return None
