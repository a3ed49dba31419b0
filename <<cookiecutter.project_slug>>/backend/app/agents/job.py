"""The job of the agents: hands a user's documents that nobody has worked on to the workers."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence

from pydantic import BaseModel
from starlette.datastructures import State

from app.agents.activity import ActivityLog
from app.agents.events import AGENTS, AgentStatus, WorkerName
from app.agents.findings import Findings
from app.agents.workers import WORKERS
from app.documents import DocumentSource, SourceDocument
from app.jobs import Job, JobError, JobRunner, job
from app.processes import Processes
from app.wording import clip

__all__ = ["Agents", "AgentsArgs", "work"]

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 10.0

SWEEP_SECONDS = 30.0

RUN_EVENTS = 2_000
"""After so many events a run ends and the next one begins: its log, which whoever opens the page reads from the start,
stays short."""


class AgentsArgs(BaseModel):
    """Whose documents are to be worked on."""

    user_id: str


class Agents:
    """What the agents work with. What a worker has done is stored, so that nothing is done twice: an attempt that is
    broken off goes on where it was.

    Arguments:
        findings: where the workers' results are kept.
        sources: where documents are; may grow while this runs.
        processes: where the workers have their work done.
        jobs: starts a run; None where there is none to start.
        heartbeat, run_events: see `HEARTBEAT_SECONDS`, in seconds, and `RUN_EVENTS`.
    """

    def __init__(
        self,
        findings: Findings,
        sources: Sequence[DocumentSource],
        processes: Processes,
        jobs: JobRunner | None = None,
        *,
        heartbeat: float = HEARTBEAT_SECONDS,
        run_events: int = RUN_EVENTS,
    ) -> None:
        self.findings = findings
        self._sources = sources
        self._processes = processes
        self._jobs = jobs
        self._heartbeat = heartbeat
        self._run_events = run_events

    async def start(self, user_id: str) -> None:
        """Has a user's documents worked on, if there is no run for them that has not ended yet."""
        if self._jobs is not None:
            await self._jobs.start_once(work, AgentsArgs(user_id=user_id), source=user_id)

    async def todo(self) -> Mapping[str, list[tuple[str, list[WorkerName]]]]:
        """For each user the documents on which somebody has still to work, the oldest first, and who. What is known of
        deleted ones, and of what others were before they changed, is forgotten."""
        there = [each for source in self._sources for each in (await source.document_versions()).items()]
        done = await self.findings.done()
        if self._sources and (gone := done.keys() - {(document_id, known.version) for document_id, known in there}):
            await self.findings.remove(gone)
        of_users: dict[str, list[tuple[str, list[WorkerName]]]] = {}
        for document_id, (user_id, version) in there:
            workers = [name for name in WORKERS if name not in done.get((document_id, version), ())]
            if workers:
                of_users.setdefault(user_id, []).append((document_id, workers))
        return of_users

    async def run(self, job: Job, user_id: str) -> None:
        """Works through the documents of a user, one after the other, each by all workers at once; also through those
        that come meanwhile."""
        log = ActivityLog(job)
        beat_at = self._beat(log, "waiting", "At hand")
        while documents := (await self.todo()).get(user_id):
            for document_id, workers in documents:
                await self._hand_out(document_id, workers, log)
                if log.events >= self._run_events:
                    return
                if time.monotonic() - beat_at >= self._heartbeat:
                    beat_at = self._beat(log, "running", "At work")
        self._beat(log, "waiting", "Waiting for documents")

    def _beat(self, log: ActivityLog, status: AgentStatus, message: str) -> float:
        for agent_name in AGENTS:
            log.heartbeat(agent_name, status, message)
        return time.monotonic()

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
            await self.findings.add(name, document, {}, run_id=log.run_id, failed=True)
            mistake = f"unexpected {type(error).__name__}; the server's log says more"
            if isinstance(error, JobError):
                mistake = str(error)
            log.complete_activity(activity, f"{title}: {mistake}", status="failed")
        else:
            await self.findings.add(name, document, outcome.found, run_id=log.run_id, index=outcome.index)
            log.complete_activity(activity, f"{title}: {outcome.message}", outcome.found or None)

    async def _document(self, document_id: str) -> SourceDocument | None:
        for source in self._sources:
            if (document := await source.document(document_id)) is not None:
                return document
        return None


@job("agents", retries=2)
async def work(job: Job, args: AgentsArgs) -> None:
    """Works on a user's documents."""
    agents: Agents = job.state.agents
    await agents.run(job, args.user_id)


@work.on_end
async def _go_on(state: State, args: AgentsArgs, status: str) -> None:
    """Begins the next run where documents are left, or have come while this one ended."""
    if status == "completed" and args.user_id in await state.agents.todo():
        await state.agents.start(args.user_id)


@work.missed(every=SWEEP_SECONDS)
async def _missed(state: State) -> Mapping[str, AgentsArgs]:
    return {user_id: AgentsArgs(user_id=user_id) for user_id in await state.agents.todo()}
