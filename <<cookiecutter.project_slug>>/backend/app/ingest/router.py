"""The routes of ingest."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote

import anyio
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi import Path as PathParameter
from fastapi.exceptions import RequestValidationError
from fastapi.responses import StreamingResponse
from pydantic import AliasChoices, BaseModel, Field, ValidationError
from starlette.datastructures import UploadFile
from starlette.requests import ClientDisconnect
from streamator import event_type
from streamator.fastapi import StreamResponse, make_stream_response

from app.bodies import RequestBody, unknown_field
from app.errors import ApiError, error_responses, stream_error_responses
from app.feature import Services, SharedServices
from app.ingest.archive import Archive
from app.ingest.channel import Limit
from app.ingest.charset import charset_of
from app.ingest.documents import Documents, DocumentText, DocumentVersions, Library, LibraryFull
from app.ingest.events import IngestEvent
from app.ingest.fetch import BadUrl, check_url
from app.ingest.identify import HEAD_BYTES, UnsupportedType, identify
from app.ingest.job import IngestArgs, Upload
from app.ingest.job import ingest as ingest_job
from app.ingest.pipeline import Pipeline
from app.ingest.search import TooManyWords
from app.ingest.upload import content_of, parse_form, safe_name, too_large
from app.jobs import JobRecord, TooManyJobs
from app.routes import ensure_begun
from app.searches import SearchFailed
from app.settings import Settings
from app.storage import Storage
from app.users import CurrentUser, User
from app.wording import duration

__all__ = ["router"]

router = APIRouter(tags=["ingest"])


class IngestRequest(RequestBody):
    """An address to take in. `limit`, or `channel_limit`: of a feed or a sitemap, which items; `refresh`: fetch it also
    where a document from this address is in the library."""

    url: str
    limit: Limit = Field(default="50", validation_alias=AliasChoices("limit", "channel_limit"))
    refresh: bool = False


_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": IngestRequest.model_json_schema()},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "description": "Either a file or a URL.",
                    "additionalProperties": False,
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        **IngestRequest.model_json_schema()["properties"],
                    },
                }
            },
        },
    }
}
_PIECE = 1_000_000
"""The characters of a text that are read from the database, and written, at a time."""

_ERRORS = (400, 403, 408, 413, 415, 422, 429, 503, 507)


class Started(BaseModel):
    """A job that has begun; its log is at /api/log/{job_id}/stream."""

    job_id: str
    source: str
    created_at: datetime


def _pipeline(request: Request) -> Pipeline:
    pipeline: Pipeline = request.app.state.ingest
    return pipeline


Ingest = Annotated[Pipeline, Depends(_pipeline)]


@router.post("/ingest", status_code=202, openapi_extra=_BODY, responses=error_responses(*_ERRORS))
async def ingest(request: Request, services: SharedServices, user: CurrentUser, pipeline: Ingest) -> Started:
    """Starts a job that ingests an uploaded file or a URL."""
    job = await _start(request, services, user, pipeline)
    return Started(job_id=job.job_id, source=job.source, created_at=job.created_at)


@router.post(
    "/ingest/stream",
    status_code=200,
    response_class=StreamResponse,
    openapi_extra=_BODY,
    responses={
        200: {"model": IngestEvent, "description": "The job's events, each under its name."},
        **stream_error_responses(*_ERRORS),
    },
)
async def ingest_stream(request: Request, services: SharedServices, user: CurrentUser, pipeline: Ingest) -> Response:
    """Starts the same job and streams its events. The job goes on when the viewer leaves: its id is in the answer's
    `x-job-id`, and all of its log at /api/log/{job_id}/stream."""
    job = await _start(request, services, user, pipeline)
    await ensure_begun(services, job.job_id)
    shown = event_type("progress", "complete")
    response = make_stream_response(job.job_id, services.store, named=True, filter=shown)
    response.headers["x-job-id"] = job.job_id
    return response


async def _start(request: Request, services: Services, user: User, pipeline: Pipeline) -> JobRecord:
    seconds = services.settings.max_upload_seconds
    try:
        with contextlib.ExitStack() as undo:
            # The job has its place before megabytes are taken in.
            async with services.jobs.preparing(user):
                with anyio.fail_after(seconds):
                    await pipeline.library.ensure_room(user=user)
                    args = await _read(request, pipeline.archive, undo, services.settings)
            source = args.url if args.upload is None else args.upload.name
            record = await services.jobs.start(ingest_job, args, source=source, user=user, trace=request.headers)
            undo.pop_all()  # from here on the upload is the job's
    except TooManyJobs as error:
        raise ApiError(429, str(error), {"retry-after": "5"}) from error
    except LibraryFull as error:
        raise ApiError(507, str(error)) from error
    except TimeoutError:
        message = f"the upload took more than {duration(seconds)}: send a smaller file, or raise MAX_UPLOAD_SECONDS"
        raise ApiError(408, message) from None
    except BadUrl as error:
        raise ApiError(422, str(error)) from error
    except ClientDisconnect:
        raise ApiError(400, "the upload was broken off") from None
    return record


async def _read(request: Request, archive: Archive, undo: contextlib.ExitStack, settings: Settings) -> IngestArgs:
    """What is to be taken in: an address, or a file, which is then in the archive, until it is undone."""
    if request.headers.get("content-type", "").lower().startswith("application/json"):
        try:
            body = await request.json()
        except ValueError as error:
            raise ApiError(400, f"the body is no JSON ({error}): send an object with a url") from error
        return _asked(body)
    form = await parse_form(request, settings.max_upload_bytes)
    try:
        for name in form:
            if problem := unknown_field(name, ["file", *IngestRequest.names()]):
                raise ApiError(422, problem)
        file, url = form.get("file"), form.get("url")
        if isinstance(file, str) or isinstance(url, UploadFile):
            raise ApiError(422, "file must be a file and url a text: send the fields as they are named")
        # A browser sends an empty part for a file field that was left alone.
        has_file = file is not None and bool(file.filename or file.size)
        if has_file == bool(url and url.strip()):
            got = "both" if has_file else "neither"
            raise ApiError(422, f"the form holds {got} of file and url: send exactly one of them")
        if has_file:
            assert file is not None
            return await _take(file, archive, undo, settings.max_upload_bytes)
        return _asked({name: value for name, value in form.items() if name != "file"})
    finally:
        await form.close()


def _asked(body: Any) -> IngestArgs:
    try:
        asked = IngestRequest.model_validate(body)
    except ValidationError as error:
        raise RequestValidationError([{**each, "loc": ("body", *each["loc"])} for each in error.errors()]) from error
    return IngestArgs(url=str(check_url(asked.url)), limit=asked.limit, refresh=asked.refresh)


async def _take(file: UploadFile, archive: Archive, undo: contextlib.ExitStack, limit: int) -> IngestArgs:
    name, length = safe_name(file.filename), file.size or 0
    if length > limit:
        raise too_large(f"is {length:,} bytes", limit)
    if not length:
        raise ApiError(422, f"{name!r} is empty (0 bytes): choose a file with something in it")
    media_type = file.content_type or ""
    try:
        identify(await file.read(HEAD_BYTES), name=name, media_type=media_type)
    except UnsupportedType as error:
        raise ApiError(415, str(error)) from error
    await file.seek(0)
    key, digest = archive.new_upload(), hashlib.sha256()
    undo.callback(archive.delete_soon, key)
    await archive.storage.put(key, content_of(file, digest))
    charset = charset_of(media_type)
    sha256 = digest.hexdigest()
    return IngestArgs(
        upload=Upload(key=key, name=name, media_type=media_type, charset=charset, bytes=length, sha256=sha256)
    )


@router.get("/documents", responses=error_responses(422, 503), response_model_exclude_unset=True)
async def list_documents(
    pipeline: Ingest,
    user: CurrentUser,
    q: Annotated[str, Query(max_length=500, description="words to find; empty for all")] = "",
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> Documents:
    """Lists the newest documents, or those that match a search, best first. While the index is made anew `unindexed`
    says how many of the user's documents a search cannot find yet."""
    try:
        return await pipeline.library.find(q, limit, user=user)
    except TooManyWords as error:
        raise ApiError(422, str(error)) from error
    except SearchFailed as error:
        raise ApiError(503, str(error)) from error


@router.get("/documents/{document_id}", response_model=DocumentText, responses=error_responses(404))
async def get_document(pipeline: Ingest, user: CurrentUser, document_id: str) -> Response:
    """Gives one document with its text."""
    return await _with_text(pipeline.library, document_id, user)


async def _with_text(library: Library, document_id: str, user: User, version: int | None = None) -> Response:
    """A `DocumentText` as JSON. It is written a piece of its text at a time, for it may be many megabytes."""
    document = await library.get(document_id, user=user, version=version, characters=_PIECE)
    if document is None:
        raise ApiError(404, "not found")

    async def parts() -> AsyncIterator[str]:
        yield document.model_dump_json().removesuffix('"}')  # the text is its last field
        read, text = _PIECE, document.text
        while len(text) == _PIECE:
            piece = await library.piece(document_id, read, _PIECE, user=user, version=document.version)
            if piece is None:
                return  # it has been removed meanwhile; what is cut off here is no JSON
            read, text = read + _PIECE, piece
            yield json.dumps(text, ensure_ascii=False)[1:-1]
        yield '"}'

    return StreamingResponse(parts(), media_type="application/json")


@router.get(
    "/documents/{document_id}/file",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/octet-stream": {}}}, **error_responses(404, 503)},
)
async def get_original(pipeline: Ingest, user: CurrentUser, document_id: str) -> Response:
    """Gives the original, to be saved: never to be shown as a page of this site."""
    return await _download(pipeline.archive.storage, await pipeline.library.original(document_id, user=user))


async def _download(storage: Storage, found: tuple[str, str] | None) -> Response:
    size = None if found is None else await storage.size(found[0])
    if found is None or size is None:
        raise ApiError(404, "not found")
    key, name = found
    return StreamingResponse(
        storage.get(key),
        media_type="application/octet-stream",
        headers={
            "content-length": str(size),
            "content-disposition": f"attachment; filename*=utf-8''{quote(name)}",
            "content-security-policy": "sandbox; default-src 'none'",
        },
    )


@router.delete("/documents/{document_id}", status_code=204, responses=error_responses(403, 404))
async def delete_document(pipeline: Ingest, services: SharedServices, user: CurrentUser, document_id: str) -> Response:
    """Removes a document and its original."""
    if not await pipeline.library.remove(document_id, user=user):
        raise ApiError(404, "not found")
    await services.tell_of_removed(document_id, user)
    return Response(status_code=204)


VersionNumber = Annotated[int, PathParameter(ge=1, le=1_000_000_000, description="from 1, the oldest")]


@router.get("/documents/{document_id}/versions", responses=error_responses(404, 422))
async def list_versions(
    pipeline: Ingest, user: CurrentUser, document_id: str, limit: Annotated[int, Query(ge=1, le=500)] = 50
) -> DocumentVersions:
    """Lists what a document was each time that its source had changed, the newest first."""
    versions = await pipeline.library.versions(document_id, user=user, limit=limit)
    if not versions:
        raise ApiError(404, "not found")
    return DocumentVersions(versions=versions)


@router.get(
    "/documents/{document_id}/versions/{version}", response_model=DocumentText, responses=error_responses(404, 422)
)
async def get_version(pipeline: Ingest, user: CurrentUser, document_id: str, version: VersionNumber) -> Response:
    """Gives one version of a document with its text."""
    return await _with_text(pipeline.library, document_id, user, version)


@router.get(
    "/documents/{document_id}/versions/{version}/file",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/octet-stream": {}}}, **error_responses(404, 422, 503)},
)
async def get_original_of_version(
    pipeline: Ingest, user: CurrentUser, document_id: str, version: VersionNumber
) -> Response:
    """Gives the original of one version, to be saved."""
    found = await pipeline.library.original(document_id, user=user, version=version)
    return await _download(pipeline.archive.storage, found)
