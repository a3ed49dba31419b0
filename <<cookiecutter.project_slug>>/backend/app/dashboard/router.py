"""The routes of the dashboard."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from streamator.asgi import StreamApp
from streamator.fastapi import StreamResponse

from app.dashboard.events import Stats
from app.dashboard.stats import StatsFeeds, current_stats
from app.feature import SharedServices
from app.users import CurrentUser, User

__all__ = ["router"]

router = APIRouter(tags=["dashboard"])


class StatsPoll(BaseModel):
    """The counts as a poll of their stream gives them."""

    logs: list[Stats]
    next: int = 1
    closed: bool = False


def _feeds(request: Request) -> StatsFeeds:
    feeds: StatsFeeds = request.app.state.stats
    return feeds


class _StatsResponse(Response):
    """One viewer's stream of the counts. It begins with what they are: there is no place in it to go on from."""

    def __init__(self, feeds: StatsFeeds, user: User) -> None:
        super().__init__()
        self._feeds = feeds
        self._user = user

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(name, value) for name, value in scope["headers"] if name != b"last-event-id"]
        anew = {**scope, "headers": headers, "query_string": b""}
        with self._feeds.watch(self._user) as job_id:
            await StreamApp(job_id, self._feeds.store)(anew, receive, send)


@router.get("/stats")
async def stats(services: SharedServices, user: CurrentUser) -> StatsPoll:
    """Gives the counts of the user's jobs once: for those who cannot hold a stream."""
    return StatsPoll(logs=[await current_stats(services.jobs, user)])


@router.get(
    "/stats/stream",
    status_code=200,
    response_class=StreamResponse,
    responses={200: {"model": Stats, "description": "The counts at once, and whenever they change."}},
)
async def stats_stream(user: CurrentUser, feeds: Annotated[StatsFeeds, Depends(_feeds)]) -> Response:
    """Streams the counts of the user's jobs, at most twice a second."""
    return _StatsResponse(feeds, user)
