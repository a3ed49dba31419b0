"""The routes of sign-in."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Depends, Request, Response
from pydantic import BaseModel, Field

from app.auth.accounts import MAX_PASSWORD
from app.auth.cookies import read_cookies, set_cookie
from app.auth.devices import DEVICE_SECONDS
from app.auth.service import Auth
from app.auth.sessions import Session
from app.auth.throttle import TooManyAttempts
from app.auth.tokens import TICKET_SECONDS, Permission
from app.bodies import RequestBody
from app.errors import ApiError, error_responses
from app.feature import SharedServices
from app.users import CurrentUser

__all__ = ["router"]


class SignedInUser(BaseModel):
    """Who has signed in."""

    id: str
    name: str


class SignedIn(BaseModel):
    """An access token, to be sent as `Authorization: Bearer`, and for how many seconds it holds."""

    token: str
    expires_in: int
    user: SignedInUser


class SignIn(RequestBody):
    """A name and a password."""

    # Checked by hand: what is wrong with a field is answered with its value, and that may be a password.
    name: str = ""
    password: str = ""


class Refresh(RequestBody):
    """A refresh. `attempt` names it: whoever gets no answer sends the same request again, and gets the same answer."""

    attempt: str = Field(default="", max_length=128)


class TicketFor(RequestBody):
    """The job that a ticket is wanted for."""

    job_id: str = Field(max_length=128)


def _auth(request: Request) -> Auth:
    auth: Auth | None = request.app.state.auth
    if auth is None:
        raise ApiError(404, "nobody signs in here: AUTH is none")
    return auth


Authentication = Annotated[Auth, Depends(_auth)]

router = APIRouter(prefix="/auth", tags=["auth"])


@router.post("/sign-in", responses=error_responses(401, 403, 404, 422, 429))
async def sign_in(request: Request, response: Response, auth: Authentication, body: SignIn) -> SignedIn:
    """Gives an access token for a name and a password, and a cookie for the tokens after it; by a second cookie the
    browser is known again, and does not wait where others try this name."""
    if not body.name.strip() or not body.password:
        raise ApiError(422, "the name or the password is missing: send both")
    if max(len(body.name), len(body.password)) > MAX_PASSWORD:
        raise ApiError(422, f"the name or the password has more than {MAX_PASSWORD} characters: check what is sent")
    try:
        address = request.client.host if request.client else ""
        device = "~".join(read_cookies(request, "device"))
        signed_in = await auth.sign_in(body.name, body.password, address=address, device=device)
    except TooManyAttempts as error:
        raise ApiError(429, str(error), {"retry-after": str(error.retry_after)}) from error
    if signed_in is None:
        raise ApiError(401, "the name or the password is wrong: check both")
    session, device = signed_in
    response.headers.append("set-cookie", set_cookie(request, "device", device, seconds=DEVICE_SECONDS))
    return _signed_in(request, response, auth, session)


@router.post("/refresh", responses=error_responses(401, 403, 404, 422))
async def refresh(
    request: Request, response: Response, auth: Authentication, body: Annotated[Refresh | None, Body()] = None
) -> SignedIn:
    """Gives the next access token, and the next cookie, for the cookie."""
    tokens = read_cookies(request, "session")
    if len(tokens) > 1:
        # Neither is taken away: alone, the other one would sign the user in as somebody else.
        raise ApiError(401, "two session cookies were sent, one may be another site's: delete this site's, and sign in")
    session = await auth.sessions.refresh(tokens[0], body.attempt if body else "") if tokens else None
    if session is None:
        taken = set_cookie(request, "session", "", seconds=0)
        raise ApiError(401, "nobody is signed in here, or not any more: sign in", {"set-cookie": taken})
    return _signed_in(request, response, auth, session)


@router.post("/sign-out", status_code=204, responses=error_responses(403, 404))
async def sign_out(request: Request, auth: Authentication) -> Response:
    """Ends the session of the cookie, and with it all of its access tokens and tickets."""
    for token in read_cookies(request, "session"):
        await auth.sessions.end(token)
    return Response(status_code=204, headers={"set-cookie": set_cookie(request, "session", "", seconds=0)})


@router.post("/tickets", status_code=204, responses=error_responses(401, 403, 404, 422))
async def buy_ticket(
    request: Request, auth: Authentication, services: SharedServices, user: CurrentUser, body: TicketFor
) -> Response:
    """Gives a ticket for the streams of a job, for an EventSource or a WebSocket: a cookie, which goes to these alone
    and holds for a minute."""
    if await services.jobs.get(body.job_id, user=user) is None:
        raise ApiError(404, "not found")
    permission: Permission = request.scope["app.permission"]
    ticket = auth.tokens.ticket(permission, body.job_id)
    response = Response(status_code=204, headers={"cache-control": "no-store"})
    for route in ("log", "job"):
        path = f"/api/{route}/{body.job_id}/"
        response.headers.append("set-cookie", set_cookie(request, "ticket", ticket, seconds=TICKET_SECONDS, path=path))
    return response


def _signed_in(request: Request, response: Response, auth: Auth, session: Session) -> SignedIn:
    response.headers.append("set-cookie", set_cookie(request, "session", session.token, seconds=auth.sessions.seconds))
    response.headers["cache-control"] = "no-store"
    user = SignedInUser(id=session.user.id, name=session.user.name)
    return SignedIn(token=auth.tokens.access(session.user, session.id), expires_in=auth.tokens.seconds, user=user)
