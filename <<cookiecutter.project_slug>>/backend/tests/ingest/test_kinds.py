"""Documents of the other kinds: office files, books, mails, tables, subtitles."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from app.ingest.extract import ExtractError
from app.ingest.identify import Kind, identify
from tests.ingest.extraction import Extraction


@pytest.fixture
def run(tmp_path: Path) -> Extraction:
    return Extraction(tmp_path)


def zipped(**members: str) -> bytes:
    """A ZIP archive; `__` in a name stands for `/`, and a mimetype is not packed."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            packing = zipfile.ZIP_STORED if name == "mimetype" else zipfile.ZIP_DEFLATED
            archive.writestr(name.replace("__", "/"), content, packing)
    return out.getvalue()


CORE = (
    '<cp:coreProperties xmlns:cp="urn:cp" xmlns:dc="http://purl.org/dc/elements/1.1/">'
    "<dc:title>{}</dc:title></cp:coreProperties>"
)


def word(body: str, title: str = "") -> bytes:
    return zipped(
        **{
            "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>',
            "_rels/.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
            '<Relationship Id="r" '
            'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" '
            'Target="word/document.xml"/></Relationships>',
            "word/document.xml": '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">'
            f"<w:body>{body}</w:body></w:document>",
            "docProps/core.xml": CORE.format(title),
        }
    )


def paragraph(text: str, style: str = "") -> str:
    properties = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    return f"<w:p>{properties}<w:r><w:t>{text}</w:t></w:r></w:p>"


def test_word_gives_its_text_without_what_was_deleted(run: Extraction) -> None:
    cells = "".join(f"<w:tc>{paragraph(cell)}</w:tc>" for cell in ("Cell", "另一个"))
    body = (
        paragraph("Grüße") + "<w:p><w:r><w:t>in </w:t></w:r><w:del><w:r><w:delText>three</w:delText></w:r></w:del>"
        "<w:ins><w:r><w:t>two</w:t></w:r></w:ins><w:r><w:t> runs</w:t></w:r></w:p>"
        f"<w:tbl><w:tr>{cells}</w:tr></w:tbl>"
    )
    content = word(body, "A Report")
    assert identify(content, name="x").kind == "docx"
    found = run(content, "docx")
    assert (found.title, found.text) == ("A Report", "Grüße\nin two runs\nCell | 另一个")
    assert run(word(paragraph("First line")), "docx").title == "First line"


def opendocument(body: str, manifest: str = "") -> bytes:
    spaces = 'xmlns:office="urn:o" xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"'
    return zipped(
        mimetype="application/vnd.oasis.opendocument.text",
        **{
            "content.xml": f"<office:body {spaces}>{body}</office:body>",
            "meta.xml": CORE.format(""),
            "META-INF__manifest.xml": f"<manifest>{manifest}</manifest>",
        },
    )


def test_opendocument_gives_its_paragraphs_each_once(run: Extraction) -> None:
    content = opendocument(
        "<text:tracked-changes><text:p>deleted</text:p></text:tracked-changes><text:p>Before</text:p>"
        "<text:h>Überschrift</text:h><text:p>one<text:s/>two<text:tab/>three<text:span> four</text:span>"
        "<text:note><text:p> (note)</text:p></text:note></text:p>"
    )
    assert identify(content, name="x").kind == "opendocument"
    found = run(content, "opendocument")
    assert (found.title, found.text) == ("Überschrift", "Before\n\nÜberschrift\n\none two three four (note)")


def test_an_opendocument_with_a_password_is_a_clear_error(run: Extraction) -> None:
    with pytest.raises(ExtractError, match="wants a password: save it without one"):
        run(opendocument("", "<encryption-data/>"), "opendocument")


def book(protection: str = "") -> bytes:
    members = {
        "mimetype": "application/epub+zip",
        "META-INF__container.xml": '<container xmlns="urn:c"><rootfile full-path="OEBPS/a.opf"/></container>',
        "OEBPS__a.opf": '<package xmlns="urn:p" xmlns:dc="urn:dc"><metadata><dc:title>こころ</dc:title></metadata>'
        '<manifest><item id="b" href="text/two%20.xhtml"/>'
        '<item id="a" href="text/one.xhtml"/><item id="c" href="gone.xhtml"/>'
        '</manifest><spine><itemref idref="a"/><itemref idref="b"/><itemref idref="c"/></spine></package>',
        "OEBPS__text__one.xhtml": "<html><head><title>no</title></head><body><h1>上</h1>"
        "<p>私は<b>その</b>人を</p></body></html>",
        "OEBPS__text__two .xhtml": "<html><body><p>The end\nof it</p></body></html>",
    }
    if protection:
        members["META-INF__encryption.xml"] = protection
    return zipped(**members)


def test_a_book_gives_its_chapters_in_their_order(run: Extraction) -> None:
    assert identify(book(), name="x").kind == "epub"
    found = run(book(), "epub")
    assert (found.title, found.text) == ("こころ", "上\n私はその人を\n\nThe end of it")
    assert len(run.warnings) == 1
    assert "Chapter “gone.xhtml” is left out" in run.warnings[0]


def test_a_protected_book_is_a_clear_error(run: Extraction) -> None:
    with pytest.raises(ExtractError, match="protected"):
        run(book('<encryption><CipherReference URI="OEBPS/text/one.xhtml"/></encryption>'), "epub")


@pytest.mark.parametrize("kind", ["docx", "epub", "opendocument"])
def test_an_archive_that_is_damaged_or_explodes_is_a_clear_error(run: Extraction, kind: Kind) -> None:
    for content in (b"PK\x03\x04rubbish", zipped(a="b"), word(paragraph("words"))[:300]):
        with pytest.raises(ExtractError, match="damaged"):
            run(content, kind)
    with pytest.raises(ExtractError, match="unpacks to more than 100 MB"):
        run(zipped(**{"word__document.xml": "x" * 100_000_001}), kind)


def test_rtf_gives_its_text(run: Extraction) -> None:
    content = (
        rb"{\rtf1\ansi\ansicpg1251{\info{\title A title}}{\b \'cf\'f0\'e8\'e2\'e5\'f2}, \u26085?\u26412?\par words\par}"
    )
    found = run(content, "rtf")
    assert (found.title, found.text) == ("A title", "Привет, 日本\nwords")


MAIL = b"""From: =?utf-8?q?J=C3=B6rg?= <joerg@example.org>
To: Ada <ada@example.org>
Subject: =?iso-2022-jp?B?GyRCRnxLXBsoQg==?= report
Date: Mon, 2 Nov 2026 10:00:00 +0100
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=B

--B
Content-Type: multipart/alternative; boundary=C

--C
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

Sch=F6ne Gr=FC=DFe
--C
Content-Type: text/html

<p>Hello</p>
--C--
--B
Content-Type: application/pdf
Content-Disposition: attachment; filename="a.pdf"
Content-Transfer-Encoding: base64

JVBERi0=
--B--
"""


def test_a_mail_gives_who_wrote_it_and_its_text_and_names_its_attachments(run: Extraction) -> None:
    found = run(MAIL, "email")
    assert found.title == "日本 report"
    assert found.text == (
        "From: Jörg <joerg@example.org>\nTo: Ada <ada@example.org>\nDate: Mon, 02 Nov 2026 10:00:00 +0100\n"
        "Subject: 日本 report\n\nSchöne Grüße"
    )
    assert run.warnings == ["1 attached file left out: “a.pdf”. Ingest what you need"]


def test_a_mail_of_html_alone_is_read_as_a_page(run: Extraction) -> None:
    mail = "From: a@example.org\nSubject: Hi\nContent-Type: text/html; charset=utf-8\n\n<p>Grüße <b>an</b> alle</p>"
    assert run(mail.encode(), "email").text.endswith("\n\nGrüße an alle")


def test_a_mail_that_is_cut_off_is_read_and_said_to_be(run: Extraction) -> None:
    assert "Schöne" in run(MAIL[: MAIL.index(b"Gr=FC")], "email").text
    assert any("It is damaged" in warning for warning in run.warnings)


def test_a_mail_of_attachments_alone_is_a_clear_error(run: Extraction) -> None:
    with pytest.raises(ExtractError, match="give its attachments by themselves"):
        run(b"From: a@example.org\nSubject: Hi\nContent-Type: image/png\n\nx", "email")


def test_a_saved_page_gives_its_article(run: Extraction) -> None:
    words = "".join(f"<p>The paragraph {n} of a page that has been saved by a browser.</p>" for n in range(9))
    page = f"<html><head><title>Überblick</title></head><body><article>{words}</article></body></html>"
    content = (
        b"From: <Saved by Blink>\nSnapshot-Content-Location: https://example.org/\nSubject: no\nMIME-Version: 1.0\n"
        b"Content-Type: multipart/related; boundary=B\n\n--B\nContent-Type: text/html; charset=utf-8\n\n"
        + page.encode() + b"\n--B\nContent-Type: text/css\n\np {}\n--B--\n"
    )  # fmt: skip
    found = run(content, "mhtml")
    assert found.title == "Überblick"
    assert "The paragraph 8 of a page" in found.text
    assert not run.warnings


@pytest.mark.parametrize(
    ("content", "text", "title"),
    [
        ("name;city\nAda;London\n\"a;b\";\"two\nlines\"\n", "name | city\nAda | London\na;b | two\nlines", "some file"),
        ("a,b\n1,\n,\n", "a | b\n1 |", "some file"),
        ("名前\t都市\n花子\t東京\n", "名前 | 都市\n花子 | 東京", "some file"),
        ("Sales of 2026,,\nday,n,sum\n1,2,3\n", "Sales of 2026 |  |\nday | n | sum\n1 | 2 | 3", "Sales of 2026"),
        ("one\ntwo\n", "one\ntwo", "some file"),
        ('"never closed\nx', "never closed\nx", "some file"),
    ],
)  # fmt: skip
def test_a_table_is_a_line_for_each_row(run: Extraction, content: str, text: str, title: str) -> None:
    found = run(content.encode(), "csv")
    assert (found.text, found.title) == (text, title)


def test_a_cell_may_be_long(run: Extraction) -> None:
    assert run(b'a,"' + b"word " * 100_000 + b'"\n', "csv").words == 100_001


@pytest.mark.parametrize(
    ("content", "text", "title"),
    [
        (
            "1\r\n00:00:01,000 --> 00:00:02,000\r\n<i>Привет,</i>\r\nмир!\r\n\r\n2\r\n00:00:03,000 --> 00:00:04,000\r\n"
            "{\\an8}42\r\n",
            "Привет,\nмир!\n42",
            "some file",
        ),
        (
            "WEBVTT - A film\n\nNOTE\nnot said\n\nSTYLE\n::cue {}\n\nintro\n00:01.000 --> 00:02.000 align:start\n"
            "<v Ann>Hi &amp; <c.red>bye</c>\n\n00:02.000 --> 00:03.000\nHi again\n\n"
            "00:03.000 --> 00:04.000\nHi again\nmore\n",
            "Ann: Hi & bye\nHi again\nmore",
            "A film",
        ),
        ("1\n00:00:01,000 --> 00:00:02,000\nOne\n2\n00:00:02,500 --> 00:00:03,000\nTwo\n", "One\nTwo", "some file"),
    ],
)
def test_subtitles_give_what_is_said(run: Extraction, content: str, text: str, title: str) -> None:
    found = run(content.encode(), "subtitles")
    assert (found.text, found.title) == (text, title)
