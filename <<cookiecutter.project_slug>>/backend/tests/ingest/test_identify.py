from __future__ import annotations

import math
import struct
import zlib

import pytest

from app.ingest.identify import UnsupportedType, identify


@pytest.mark.parametrize(
    ("head", "name", "media_type", "kind"),
    [
        (b"%PDF-1.7\n", "x.pdf", "", "pdf"),
        (b"\n\nrubbish first %PDF-1.4", "x", "", "pdf"),
        (b"<!DOCTYPE html><p>hi", "x", "", "html"),
        (b"  <!-- a -- comment -->\n<HTML>", "x.txt", "", "html"),
        (b'<?xml version="1.0"?><html xmlns="x">', "x", "", "html"),
        (b"\xef\xbb\xbf<html>", "x", "", "html"),
        ("<html>".encode("utf-16"), "x", "", "html"),
        (b"<p>a fragment</p>", "x.html", "", "html"),
        (b"<p>a fragment</p>", "x", "text/html; charset=utf-8", "html"),
        (b"# Title", "x.md", "", "markdown"),
        (b"# Title", "README.MARKDOWN", "text/plain", "markdown"),
        (b"# Title", "x", "text/markdown", "markdown"),
        (b"<h1>in Markdown</h1>", "x.md", "", "markdown"),
        (b"# Title", "x.txt", "", "text"),
        (b"a, b\n1, 2", "x.csv", "text/csv", "text"),
        ("Grüße".encode("latin-1"), "x.txt", "", "text"),
        ("hello".encode("utf-16"), "x", "", "text"),
        (b"MZ is how this text begins", "x.txt", "", "text"),
        ("Two words".encode("utf-16-le"), "x", "", "text"),
        ("Съешь же ещё этих булок\n".encode("utf-16-be"), "x.txt", "", "text"),
        ("昨天晚上我们在院子里吃饭\n".encode("utf-16-le"), "x.txt", "", "text"),
        ("<html><title>x</title>".encode("utf-16-le"), "x", "", "html"),
        (b"12:00 started\n12:01 read \0\0 of 7 records, as they are numbered\n", "x.log", "", "text"),
        (b"<!doctype html>\0<p>A page that a program wrote with a buffer too long", "x", "", "html"),
    ],
)
def test_the_kind_is_told(head: bytes, name: str, media_type: str, kind: str) -> None:
    assert identify(head, name=name, media_type=media_type).kind == kind


@pytest.mark.parametrize(
    ("head", "name", "what"),
    [
        (b"\x89PNG\r\n\x1a\n", "photo.pdf", "a PNG image"),
        (b"PK\x03\x04rest", "letter.docx", "Office document"),
        (b"\x00\x01\x02", "x.txt", "binary data"),
        (bytes(range(1, 32)) * 10, "x", "binary data"),
        (b"MZ\x90\x00\x03", "setup.txt", "a program"),
        (struct.pack("<500H", *range(500)), "table.txt", "binary data"),
        (struct.pack("<500h", *(round(9000 * math.sin(n / 9)) for n in range(500))), "tone.raw", "binary data"),
        (struct.pack(">200d", *(1 / (n + 1) for n in range(200))), "numbers.dat", "binary data"),
        (b"name.txt" + bytes(92) + b"0000644\0" + bytes(400), "files.tar", "binary data"),
        (zlib.compress(b"some text " * 99), "x.zz", "binary data"),
    ],
)
def test_what_is_no_document_is_refused_by_what_it_is(head: bytes, name: str, what: str) -> None:
    with pytest.raises(UnsupportedType) as caught:
        identify(head, name=name)
    assert name in str(caught.value)
    assert what in str(caught.value)
    assert "use text, Markdown, HTML or PDF" in str(caught.value)


def test_content_that_is_not_what_the_name_promised_is_noted() -> None:
    assert identify(b"<html>", name="x.pdf").expected == "PDF"
    assert identify(b"plain", name="x.pdf").expected == "PDF"
    assert identify(b"%PDF-1.4", name="x.pdf").expected is None
