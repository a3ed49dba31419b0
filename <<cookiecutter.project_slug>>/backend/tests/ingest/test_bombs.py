"""Small files that would become large ones: each is refused, or read, within the bounds of one document."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Awaitable
from pathlib import Path

import pytest

from app.ingest.channel import Channel
from app.ingest.extractor import Extractor
from app.ingest.identify import UnsupportedType, identify
from app.jobs import JobError
from app.processes import Processes
from tests.pdf import make_pdf

LAUGHS = "".join(
    f'<!ENTITY a{n} "{f"&a{n - 1};" * 10 if n else "ha" * 10}">' for n in range(10)
)  # 10 times more with each line: 20 GB
QUADRATIC = f'<!ENTITY a9 "{"ha" * 50_000}">'  # a long one, many times


class Read:
    """Reads what has been made, in a process of its own, as the server does; collects the lines."""

    def __init__(self, directory: Path) -> None:
        self._path, self._text_path = directory / "in", directory / "out"
        self.lines: list[str] = []
        self.extractor = Extractor(Processes())

    def _log(self, message: str, level: str) -> None:
        self.lines.append(message)

    async def document(self, content: bytes, name: str = "x") -> int:
        """The number of characters that are taken out of it."""
        self._path.write_bytes(content)
        kind = identify(content, name=name).kind
        found = await self.extractor.extract(
            self._path, kind, name=name, charset=None, text_path=self._text_path, log=self._log
        )
        return found.characters

    async def channel(self, content: bytes) -> Channel | None:
        self._path.write_bytes(content)
        url = "https://example.org/feed"
        return await self.extractor.read_channel(self._path, url, text_path=self._text_path, log=self._log)


@pytest.fixture
def read(tmp_path: Path) -> Read:
    return Read(tmp_path)


async def said(reading: Awaitable[object]) -> str:
    """What came of it: what was found, or why it was refused."""
    try:
        return repr(await reading)
    except JobError as error:
        return str(error)


pytestmark = [pytest.mark.anyio, pytest.mark.server]


async def test_a_pdf_whose_page_unpacks_to_more_than_is_allowed_is_refused(read: Read) -> None:
    read.extractor = Extractor(Processes(memory_bytes=400_000_000))
    content = make_pdf(["\n".join(["x" * 1_000] * 3_000)], packed=True)
    assert len(content) < 100_000
    with pytest.raises(JobError, match="more than 400 MB of memory"):
        await read.document(content)


@pytest.mark.parametrize("entities", [LAUGHS, QUADRATIC])
@pytest.mark.parametrize("root", ["rss", "urlset"])
async def test_entities_do_not_multiply_in_a_channel(read: Read, root: str, entities: str) -> None:
    link = "&a9;" * 2_000
    item = "<item><title>{0}</title><link>https://example.org/{0}</link></item><url><loc>https://example.org/{0}</loc></url>"
    body = f"<!DOCTYPE x [{entities}]><{root}><channel>{item.format(link)}</channel></{root}>"
    outcome = await said(read.channel(body.encode()))
    assert "took longer" not in outcome
    assert len(outcome) < 100_000


async def test_a_packed_sitemap_that_unpacks_to_more_than_is_allowed_is_refused(read: Read) -> None:
    packed = gzip.compress(b"<urlset>" + bytes(150_000_000), 1)
    with pytest.raises(JobError, match="more than 100 MB unpacked"):
        await read.channel(packed)


@pytest.mark.parametrize(
    "content",
    [
        b"<!doctype html><body>" + b"<div>" * 200_000 + b"some words",
        b"<!doctype html><body><p>some words" + b"<b><i>" * 100_000,
        b"# some words\n" + b">" * 200_000,
        b"# some words\n" + b"[" * 200_000,
        b"# some words\n" + b"*a_ " * 50_000,
    ],
    ids=["nested", "unclosed", "quotes", "brackets", "emphasis"],
)
async def test_what_is_nested_too_deep_is_read_or_refused_in_good_time(read: Read, content: bytes) -> None:
    outcome = await said(read.document(content, "x.md" if content.startswith(b"#") else "x.html"))
    assert "took longer" not in outcome
    assert "crashed" not in outcome


@pytest.mark.parametrize("charset", ["idna", "punycode", "zlib", "unicode_escape", "undefined", "x" * 500])
async def test_a_charset_is_one_of_text(read: Read, charset: str) -> None:
    content = f'<!doctype html><meta charset="{charset}"><p>some w\xf6rds'.encode("latin-1")
    assert await read.document(content) < 100


@pytest.mark.parametrize("content", [b"PK\x03\x04" + zlib.compress(bytes(1000)), gzip.compress(bytes(1000))])
def test_archives_are_refused_unopened(content: bytes) -> None:
    with pytest.raises(UnsupportedType, match="archive"):
        identify(content, name="page.html", media_type="text/html")
