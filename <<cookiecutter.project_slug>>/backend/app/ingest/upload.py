"""Takes an upload in, with its limit enforced while it is read."""

from __future__ import annotations

import re
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path, PurePosixPath
from typing import Protocol
from urllib.parse import parse_qsl

from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from app.errors import ApiError
from app.storage import disk
from app.wording import beginning, size

__all__ = ["content_of", "parse_form", "safe_name", "too_large"]

_ENVELOPE_BYTES = 64 * 1024  # what multipart adds around a file: boundaries, headers, other fields
_MAX_FIELDS = 4
_MAX_NAME = 200
_PIECE = 256 * 1024
# Control characters, line ends, marks of direction and of byte order, surrogates.
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


class Digest(Protocol):
    """What `hashlib` makes."""

    def update(self, data: bytes, /) -> object: ...


class _TooLarge(MultiPartException):
    """Of the parser's own kind, so that the parser closes its temporary files."""


async def parse_form(request: Request, max_bytes: int) -> FormData:
    """The form that a request holds, its file spooled to disk. The caller closes the form.

    A form in a URL's encoding is as small as any other body (MAX_BODY_KB), and `parse_qsl` counts its fields before it
    splits them. A multipart form has few parts, with at most 8 headers of 4 kB each (the parser's own bounds); what is
    in them the parser searches for the boundary, piece by piece as they come.

    Raises:
        StorageError: there is no room for it on the disk.
        ApiError: 413 as soon as it is certain that the file is larger than `max_bytes`; 415 for another sort
            of body; 400 for a broken one.
    """
    content_type = request.headers.get("content-type", "")
    if content_type.lower().startswith("application/x-www-form-urlencoded"):  # enough for a URL
        try:
            body = (await request.body()).decode()
            return FormData([*parse_qsl(body, keep_blank_values=True, max_num_fields=_MAX_FIELDS)])
        except UnicodeDecodeError as error:
            raise _broken(f"{error.reason} at byte {error.start:,}: send it as UTF-8") from error
        except ValueError as error:
            raise _broken(f"it has more than {_MAX_FIELDS} fields: send fewer") from error
    if not content_type.lower().startswith("multipart/form-data"):
        raise ApiError(
            415,
            f"the body is {content_type[:100] or 'of no type'!r}: "
            "send JSON with url, or multipart/form-data with file or url",
        )
    limit = max_bytes + _ENVELOPE_BYTES
    announced = request.headers.get("content-length", "")
    if announced.isascii() and announced.isdigit() and len(announced) < 20 and int(announced) > limit:
        raise too_large(f"is {size(int(announced))}", max_bytes)

    async def limited() -> AsyncGenerator[bytes, None]:
        # A length may be missing or a lie; what counts is what comes.
        received = 0
        async for chunk in request.stream():
            received += len(chunk)
            if received > limit:
                raise _TooLarge("")
            yield chunk

    try:
        parser = MultiPartParser(
            request.headers, limited(), max_files=1, max_fields=_MAX_FIELDS, max_part_size=_ENVELOPE_BYTES
        )
        with disk(Path(tempfile.gettempdir())):
            return await parser.parse()
    except _TooLarge:
        raise too_large(f"went past {size(max_bytes)}", max_bytes) from None
    except MultiPartException as error:
        raise _broken(f"{error.message[:200]}: send it again") from error
    except UnicodeError as error:  # the header names a charset that cannot decode what came
        raise _broken(f"{str(error)[:200]}: send it as UTF-8") from error


def _broken(why: str) -> ApiError:
    return ApiError(400, f"the form cannot be read: {why}")


def too_large(what: str, max_bytes: int) -> ApiError:
    """The answer to an upload over the limit."""
    return ApiError(
        413,
        f"the upload {what} and the limit is {size(max_bytes)}: send a smaller file, or raise MAX_UPLOAD_MB",
    )


async def content_of(file: UploadFile, digest: Digest) -> AsyncIterator[bytes]:
    """The content of an uploaded file, piece by piece; each goes into the digest too."""
    while piece := await file.read(_PIECE):
        digest.update(piece)
        yield piece


def safe_name(name: str | None) -> str:
    """A file name as it may be shown and offered for a download: the last part of what the browser sent,
    without control and direction characters. It is never used as a path."""
    last = PurePosixPath((name or "").replace("\\", "/")).name
    cleaned = beginning(_UNSEEN.sub("", last).strip(), _MAX_NAME)
    return cleaned if cleaned.strip(".") else "unnamed"
