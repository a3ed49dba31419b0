"""Reads documents and channels, each in a process of its own."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.ingest.channel import Channel
from app.ingest.extract import Log
from app.ingest.identify import Kind
from app.processes import Processes
from app.users import LOCAL_USER

__all__ = ["ExtractedFile", "Extractor", "LeadsOn"]

_MODULE = "app.ingest.extract_process"


@dataclass(frozen=True)
class ExtractedFile:
    """What was in a document; its text is in the file that the caller named."""

    title: str
    words: int
    characters: int


class LeadsOn(Exception):
    """A page is none itself, but leads on to another at once.

    Arguments:
        to: the address, as the page writes it.
    """

    def __init__(self, to: str) -> None:
        super().__init__(to)
        self.to = to


class Extractor:
    """Extracts documents apart from the server, which stays responsive whatever is in them.

    Guarantee: when `extract` or `read_channel` returns, raises or is cancelled, its process is gone.

    Arguments:
        processes: where it is done.
    """

    def __init__(self, processes: Processes) -> None:
        self._processes = processes

    async def extract(
        self,
        path: Path,
        kind: Kind,
        *,
        name: str,
        charset: str | None,
        text_path: Path,
        log: Log,
        follow: bool = False,
        user: str = LOCAL_USER.id,
    ) -> ExtractedFile:
        """Extracts a document into `text_path`, and calls `log` with each line of progress as it comes. The terms of
        its text, packed, are in a file beside that, with the suffix `.terms`.

        Arguments:
            follow: whether a page that leads on to another is to be told rather than read.
            user: the id of whose it is.

        Raises:
            LeadsOn: it does; only with `follow`.
            JobError: the document cannot be read, takes too long, or took the process down.
        """
        found = await self._processes.run(
            f"{_MODULE}:read_document", str(path), kind, name, charset, follow, str(text_path),
            user=user, noun="document", name=name, fresh=True, log=log,
            waiting=lambda message: log(message, "info"),
        )  # fmt: skip
        if "redirect" in found:
            raise LeadsOn(found["redirect"])
        return ExtractedFile(found["title"], found["words"], found["characters"])

    async def read_channel(
        self,
        path: Path,
        url: str,
        *,
        base: str | None = None,
        charset: str | None = None,
        media_type: str = "",
        text_path: Path,
        log: Log,
        user: str = LOCAL_USER.id,
    ) -> Channel | None:
        """Reads the items of a feed or a sitemap; gives None where the file is neither.

        Arguments:
            path: the file.
            url: the channel's address.
            base: the address that answered (default: `url`).
            charset: what the answer's header said of its charset.
            media_type: its content type.
            text_path: a file to work with.
            log: takes each line of progress as it comes.
            user: the id of whose it is.

        Raises:
            JobError: as for `extract`.
        """
        is_channel = await self._processes.run(
            f"{_MODULE}:read_feed", str(path), url, base or url, charset, media_type, str(text_path),
            user=user, noun="feed or sitemap", name=url, fresh=True, log=log,
            waiting=lambda message: log(message, "info"),
        )  # fmt: skip
        if not is_channel:
            return None
        return await asyncio.to_thread(_read_channel, text_path)

    async def make_terms(self, texts: Sequence[str], folder: Path) -> list[bytes]:
        """Gives the packed terms of each text; `folder` is one to work in.

        Raises:
            JobError: it takes too long, or too much memory.
        """
        path, terms_path = folder / "texts", folder / "terms"
        await asyncio.to_thread(lambda: path.write_bytes(json.dumps(texts).encode()))
        await self._processes.run(f"{_MODULE}:make_terms", str(path), str(terms_path), noun="document")
        packed = await asyncio.to_thread(lambda: json.loads(terms_path.read_bytes()))
        return [base64.b64decode(each) for each in packed]


def _read_channel(path: Path) -> Channel:
    with path.open("rb") as lines:
        return Channel.from_lines(lines)
