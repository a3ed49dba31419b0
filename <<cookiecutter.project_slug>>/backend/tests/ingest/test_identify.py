from __future__ import annotations

import math
import struct
import zlib
from pathlib import Path

import pytest

from app.ingest.identify import ACCEPT, SUPPORTED, UnsupportedType, identify

FORM = Path(__file__).parents[3] / "frontend" / "src" / "ingest" / "AddDocuments.tsx"


ZIP = b"PK\x03\x04" + bytes(26) + b"%s%s"  # a local header, a member's name, its content


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
        (b"a, b\n1, 2", "x.csv", "text/csv", "csv"),
        (b"a\tb\n1\t2", "x", "text/tab-separated-values", "csv"),
        (b"1\r\n00:00:01,000 --> 00:00:02,000\r\nHi\r\n", "x.txt", "", "subtitles"),
        (b"\xef\xbb\xbfWEBVTT\n\n00:01.000 --> 00:02.000\nHi\n", "x", "", "subtitles"),
        (b"Return-Path: <a@example.org>\r\nSubject: Hi\r\n\r\nwords", "x", "", "email"),
        (b"From: a@example.org\nSubject: Hi\n\nwords", "x.eml", "", "email"),
        (b"From a@b.org Mon Nov  2 10:00:00 2026\nTo: b\nSubject: Hi\n\nwords", "inbox", "", "email"),
        (b"From - Mon, 2 Nov 2026 10:00:00 +0100\r\nTo: b\r\nSubject: Hi\r\n\r\n", "x.mbox", "", "email"),
        (b"From here on: nothing\nSubject: Hi\n\nwords", "x.txt", "", "text"),
        (b"0:00:01.000,0:00:02.500\nHi\n", "x.sbv", "", "subtitles"),
        (b"1\n0:00:01 --> 0:00:02\nHi\n", "x", "", "subtitles"),
        (b"Made by me\n\n1\n00:00:01,000 --> 00:00:02,000\nHi\n", "x.srt", "", "subtitles"),
        (b"WEBVTT\r\r00:01.000 --> 00:02.000\rHi", "x", "", "subtitles"),
        (b"BEGIN:VCALENDAR is how it begins", "calendars.md", "", "markdown"),
        (b"From: a friend\nSubject: Hi\n\nwords", "notes.txt", "", "text"),
        (b"From: <Saved by Blink>\nSnapshot-Content-Location: x\nMIME-Version: 1.0\n\n", "x.mhtml", "", "mhtml"),
        (b"MIME-Version: 1.0\nContent-Type: multipart/related; boundary=x\n\n--x", "x", "", "mhtml"),
        (b"{\\rtf1 words}", "x.doc", "application/msword", "rtf"),
        (b"\xef\xbb\xbf\r\n{\\rtf1 words}", "x", "", "rtf"),
        (ZIP % (b"mimetype", b"application/epub+zip"), "x", "", "epub"),
        (ZIP % (b"mimetype", b"application/vnd.oasis.opendocument.text"), "x.zip", "", "opendocument"),
        (ZIP % (b"[Content_Types].xml", b"") + ZIP % (b"word/document.xml", b""), "x", "", "docx"),
        (ZIP % (b"a.png", bytes(70_000)), "x.docx", "", "docx"),
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
        (b"PK\x03\x04rest", "letters.zip", "a ZIP archive"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "letter.doc", "an old Office document"),
        (b"\x00\x01\x02", "x.txt", "binary data"),
        (bytes(range(1, 32)) * 10, "x", "binary data"),
        (b"MZ\x90\x00\x03", "setup.txt", "a program"),
        (b"MZ\0\1\2binary\0", "setup.exe", "a program"),  # letters, were it UTF-16
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
    assert f"use {SUPPORTED}" in str(caught.value)


@pytest.mark.parametrize(
    ("member", "name", "what"),
    [
        (b"xl/workbook.xml", "list.xlsx", "an Excel workbook: save it as CSV"),
        (b"ppt/presentation.xml", "talk.pptx", "a PowerPoint presentation: save it as PDF"),
    ],
)
def test_an_office_file_that_is_not_read_is_refused_with_the_way_out(member: bytes, name: str, what: str) -> None:
    with pytest.raises(UnsupportedType, match=what):
        identify(ZIP % (b"[Content_Types].xml", b"") + ZIP % (member, b""), name=name)


@pytest.mark.parametrize(
    ("head", "name", "what"),
    [
        (
            b"\xef\xbb\xbf[Script Info]\r\nTitle: x",
            "film.ass",
            "subtitles of SubStation Alpha (ass, ssa): save them as SRT",
        ),
        (b"{1}{25}Hi\n{26}{50}There", "film.sub", "subtitles of MicroDVD (sub): save them as SRT"),
        (b"<SAMI><HEAD>", "film.smi", "subtitles of SAMI (smi): save them as SRT"),
        (b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n", "day.ics", "a calendar (iCalendar, ics): save what you need as text"),
        (b"BEGIN:VCARD\r\nFN:Ada\r\n", "ada.vcf", "contacts (vCard, vcf): save what you need as CSV"),
        ("BEGIN:VCARD\r\nFN:Ada\r\n".encode("utf-16"), "ada.txt", "contacts (vCard, vcf)"),
        (b"-----BEGIN PGP MESSAGE-----\n\nhQ", "x.asc", "encrypted with PGP: decrypt it"),
    ],
)
def test_text_that_is_written_for_programs_is_refused_with_the_way_out(head: bytes, name: str, what: str) -> None:
    with pytest.raises(UnsupportedType) as caught:
        identify(head, name=name)
    assert str(caught.value).startswith(f"{name!r} is {what}")


@pytest.mark.skipif(not FORM.exists(), reason="the page of this project is another")
def test_the_form_asks_for_what_can_be_ingested() -> None:
    form = " ".join(FORM.read_text(encoding="utf-8").split())
    assert f'const ACCEPT = "{ACCEPT}";' in form
    assert SUPPORTED[1:] in form


def test_content_that_is_not_what_the_name_promised_is_noted() -> None:
    assert identify(b"<html>", name="x.pdf").expected == "PDF"
    assert identify(b"plain", name="x.pdf").expected == "PDF"
    assert identify(b"%PDF-1.4", name="x.pdf").expected is None
