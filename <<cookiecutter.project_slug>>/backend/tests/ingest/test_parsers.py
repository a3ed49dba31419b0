"""Whatever a stranger's parser raises, in whichever reader, is told; nothing of it ends the process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.process_main import perform
from tests.ingest.test_kinds import MAIL, book, opendocument, paragraph, word
from tests.pdf import make_pdf


class Odd(BaseException):
    """As parsers in other languages raise: no Exception."""


PAGE = b"<html><body><p>Some words of a page</p></body></html>"
GUESSED = "Съешь же ещё этих мягких французских булок".encode("cp1251")
PARSERS = [
    ("docx", word(paragraph("Words")), "mammoth.convert_to_html"),
    ("docx", word(paragraph("Words")), "lxml.html.document_fromstring"),
    ("docx", word(paragraph("Words"), "Title"), "lxml.etree.fromstring"),
    ("opendocument", opendocument("<text:p>Words</text:p>"), "lxml.etree.fromstring"),
    ("epub", book(), "lxml.etree.fromstring"),
    ("epub", book(), "lxml.html.document_fromstring"),
    ("rtf", rb"{\rtf1 Words}", "striprtf.striprtf.rtf_to_text"),
    ("pdf", make_pdf(["Words"]), "pypdfium2.PdfDocument"),
    ("pdf", make_pdf(["Words"]), "pypdfium2.PdfPage.get_textpage"),
    ("email", MAIL, "app.ingest.readers.mail.message_from_bytes"),
    ("email", MAIL, "quopri.decodestring"),
    ("email", b"From: a\nSubject: b\nContent-Type: text/html\n\n<p>Words", "lxml.html.document_fromstring"),
    ("mhtml", b"MIME-Version: 1.0\nContent-Type: text/html\n\n" + PAGE, "app.ingest.readers.mail.message_from_bytes"),
    ("mhtml", b"MIME-Version: 1.0\nContent-Type: text/html\n\n" + PAGE, "lxml.html.document_fromstring"),
    ("html", PAGE, "lxml.html.document_fromstring"),
    ("html", PAGE, "trafilatura.extract_with_metadata"),
    ("markdown", b"# Words", "markdown_it.MarkdownIt.parse"),
    ("markdown", b"---\na: b\n---\nWords", "yaml.safe_load"),
    ("text", b"---\na: b\n---\nWords", "yaml.safe_load"),
    ("text", GUESSED, "chardet.detect_all"),
    ("csv", b"a,b", "csv.reader"),
    ("subtitles", GUESSED, "chardet.detect_all"),
    ("channel", b"<rss><channel><item><link>https://example.org/a</link></item></channel></rss>", "feedparser.parse"),
]


@pytest.mark.parametrize(("kind", "content", "parser"), PARSERS, ids=[f"{kind}, {name}" for kind, _, name in PARSERS])
@pytest.mark.parametrize(
    ("error", "said"),
    [
        (AssertionError("tag 7"), "AssertionError: tag 7"),
        (Odd("panicked"), "Odd: panicked"),
        (SystemExit(3), "SystemExit: 3"),
        (RecursionError("deep"), "nested deeper than can be read|RecursionError: deep"),
        (MemoryError(), "out_of_memory|takes more than 1 GB of memory"),
    ],
    ids=lambda each: type(each).__name__ if isinstance(each, BaseException) else "",
)
def test_a_reader_whose_parser_raises_fails_or_leaves_out_with_what_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, content: bytes, parser: str, error: Any, said: str
) -> None:
    called = []

    def fail(*args: object, **options: object) -> None:
        called.append(parser)
        raise error

    monkeypatch.setattr(parser, fail)
    path = tmp_path / "in"
    path.write_bytes(content)
    out = str(tmp_path / "out")
    arguments: list[object]
    if kind == "channel":
        url = "https://example.org/"
        function, arguments = "read_feed", [str(path), url, url, None, "", out]
    else:
        function, arguments = "read_document", [str(path), kind, "x", None, False, out]
    task = {"function": f"app.ingest.extract_process:{function}", "arguments": arguments, "noun": "document",
            "reports": True}  # fmt: skip
    lines = list[str]()
    found = perform(task, lambda message, level: lines.append(message) if level == "warning" else None)
    assert called
    assert any(part in line for part in said.split("|") for line in (*lines, str(found))), (found, lines)
