"""The routes of the agents."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, Field
from starlette.types import Receive, Scope, Send
from streamator import Filter, Store
from streamator.asgi import LogApp
from streamator.fastapi import make_stream_response

from app.agents.events import AGENTS, AgentEvent, AgentName
from app.agents.findings import DocumentFindings
from app.agents.job import Agents as AgentsOfApp
from app.agents.job import work
from app.errors import ApiError, error_responses
from app.feature import Services, SharedServices
from app.jobs import SYSTEM
from app.routes import ensure_begun
from app.searches import SearchFailed
from app.users import CurrentUser, User

__all__ = ["router"]

router = APIRouter(tags=["agents"])


class Agents(BaseModel):
    """Who the agents are, and the run that they report to."""

    agents: list[AgentName]
    run_id: str | None = Field(description="null before the first has begun")
    now: datetime = Field(description="by the clock that the reports are stamped with")


class AgentsPoll(BaseModel):
    """The reports of a run as a poll of their stream gives them."""

    logs: list[dict[str, Any]] = Field(description="AgentEvents, and `done` where the run is over")
    next: int
    closed: bool


class AgentFindings(BaseModel):
    """What the agents know of documents, the last that they worked on first."""

    documents: list[DocumentFindings]
    total: int = Field(description="how many there are in all")


def _agents(request: Request) -> AgentsOfApp:
    agents: AgentsOfApp = request.app.state.agents
    return agents


TheAgents = Annotated[AgentsOfApp, Depends(_agents)]
OfRun = Annotated[str | None, Query(max_length=128, description="a run; without it the one that `/api/agents` names")]
OfKind = Annotated[AgentName | None, Query(description="only this agent")]
OfSource = Annotated[str | None, Query(max_length=128, description="only this source, and heartbeats")]


class _PollResponse(Response):
    """What a run has reported, for one viewer."""

    def __init__(self, run: str, store: Store, filter: Filter) -> None:
        super().__init__()
        self._run = run
        self._log = LogApp(store, filter=filter)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._log({**scope, "root_path": "", "path": f"/{self._run}"}, receive, send)


@router.get("/agents", response_model=Agents | AgentsPoll, responses=error_responses(404, 422))
async def get_agents(
    agents: TheAgents,
    services: SharedServices,
    user: CurrentUser,
    run: Annotated[str | None, Query(max_length=128, description="what this run has reported")] = None,
    kind: OfKind = None,
    id: OfSource = None,
) -> Response | Agents:
    """Names the agents, and the run to follow: with `id` the last in which that document was worked on, if there was
    one. With `run` it polls that run's stream, for those who cannot hold one."""
    if run is None:
        run_id = await _run_to_follow(agents, services, user, id)
        return Agents(agents=list(AGENTS), run_id=run_id, now=datetime.now(timezone.utc))
    await _ensure_own(run, services, user)
    return _PollResponse(run, services.store, _shown(kind, id))


@router.get(
    "/agents/stream",
    response_class=Response,
    responses={
        200: {"model": AgentEvent, "content": {"text/event-stream": {}}, "description": "AgentEvents, as they come"},
        **error_responses(404, 422),
    },
)
async def stream_agents(
    request: Request,
    agents: TheAgents,
    services: SharedServices,
    user: CurrentUser,
    run: OfRun = None,
    kind: OfKind = None,
    id: OfSource = None,
) -> Response:
    """Streams what the agents report on the user's documents, from the start of the run and as it comes: of the present
    one, or with `id` of the last in which that document was worked on.

    A run is over when nothing is left to do, or after some thousand events: the stream ends with `done`, and
    `/api/agents` names the next one.
    An event's id counts in its run: without `run` a stream begins at the start, whatever the client has seen.
    """
    if run is None:
        # Of which run the client's cursor is, nobody knows: it is not to be read.
        request.scope["headers"] = [each for each in request.scope["headers"] if each[0] != b"last-event-id"]
        request.scope["query_string"] = b""
        run = await _run_to_follow(agents, services, user, id)
    if run is None:
        raise ApiError(404, "not found")
    await _ensure_own(run, services, user)
    return make_stream_response(run, services.store, filter=_shown(kind, id))


async def _run_to_follow(agents: AgentsOfApp, services: Services, user: User, document_id: str | None) -> str | None:
    """The newest of a user's, or the last in which somebody worked on a document."""
    if document_id is not None and (found := await agents.findings.run_of(document_id, user=user)) is not None:
        return found
    runs = await services.jobs.latest(1, user=SYSTEM, kind=work.name, source=user.id)
    return runs[0].job_id if runs else None


async def _ensure_own(run: str, services: Services, user: User) -> None:
    record = await services.jobs.get(run, user=SYSTEM)
    if record is None or (record.kind, record.source) != (work.name, user.id):
        raise ApiError(404, "not found")
    await ensure_begun(services, run)


@router.get("/agents/findings", responses=error_responses(422, 503))
async def list_findings(
    agents: TheAgents,
    user: CurrentUser,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    document_id: Annotated[str | None, Query(max_length=128, description="only this document")] = None,
) -> AgentFindings:
    """Lists what the agents have found out about the user's documents."""
    try:
        documents = await agents.findings.latest(limit, user=user, document_id=document_id)
    except SearchFailed as error:
        raise ApiError(503, str(error)) from error
    return AgentFindings(documents=documents, total=await agents.findings.count(user=user, document_id=document_id))


@router.delete("/agents/findings/{document_id}", status_code=204, responses=error_responses(403, 404))
async def forget_findings(agents: TheAgents, user: CurrentUser, document_id: str) -> Response:
    """Forgets what was found out about a document: the agents work on it again."""
    if not await agents.findings.forget(document_id, user):
        raise ApiError(404, "not found")
    await agents.start(user.id)
    return Response(status_code=204)


def _shown(kind: AgentName | None, source_id: str | None) -> Filter:
    """What is shown of a run: of one agent or all, about one document or all."""

    def shows(event: dict[str, object]) -> bool:
        if "stream" not in event:  # the log's own
            return False
        report = AgentEvent.model_validate(event)
        return kind in (None, report.payload.agent_name) and (
            source_id in (None, report.source_id) or report.event == "heartbeat"
        )

    return Filter(shows)
