"""Mails as people keep them: of several parts, forwarded, in charsets of all sorts, damaged, many in one file."""

from __future__ import annotations

import base64
import quopri
from pathlib import Path

import pytest

from app.ingest.extract import ExtractError
from app.ingest.identify import identify
from tests.ingest.extraction import Extraction


@pytest.fixture
def run(tmp_path: Path) -> Extraction:
    return Extraction(tmp_path)


def part(content: bytes, kind: str = "text/plain; charset=utf-8", **headers: str) -> bytes:
    lines = (f"{name.replace('_', '-')}: {value}\r\n".encode() for name, value in headers.items())
    return f"Content-Type: {kind}\r\n".encode() + b"".join(lines) + b"\r\n" + content


def parts(kind: str, *contents: bytes) -> bytes:
    """A multipart; its boundary is of its own, so that one may hold another."""
    boundary = f"of-{sum(map(len, contents))}"
    body = b"".join(b"--" + boundary.encode() + b"\r\n" + content + b"\r\n" for content in contents)
    return part(body + b"--" + boundary.encode() + b"--\r\n", f'multipart/{kind}; boundary="{boundary}"')


def mail(body: bytes, subject: bytes = b"Hi") -> bytes:
    return b"From: a@example.org\r\nSubject: " + subject + b"\r\nMIME-Version: 1.0\r\n" + body


HEAD = "From: a@example.org\nSubject: Hi\n\n"
FILE = part(b"%PDF", "application/pdf", Content_Disposition='attachment; filename="a.pdf"')
PLAIN, PAGE = part(b"Plain words"), part(b"<p>In <b>HTML</b></p>", "text/html")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (parts("mixed", PLAIN, part(b"Second"), part(b"<p>Third</p>", "text/html")), "Plain words\n\nSecond\n\nThird"),
        (parts("mixed", PLAIN, FILE, part(b"Behind the file")), "Plain words\n\nBehind the file"),
        (parts("mixed", parts("alternative", PLAIN, PAGE), part(b"A footer")), "Plain words\n\nA footer"),
        (parts("alternative", part(b"See HTML"), part(b"<p>" + b"All of it. " * 30, "text/html")), "All of it. " * 30),
        (
            parts("alternative", PLAIN, parts("related", PAGE, part(b"x", "image/png", Content_ID="<1>"))),
            "Plain words",
        ),
        (
            parts('related; start="<2>"', part(b"no", "text/css"), part(b"<p>Root", "text/html", Content_ID="<2>")),
            "Root",
        ),
        (
            parts("mixed", PLAIN, part(b"of a file", Content_Disposition="attachment; filename=notes.txt")),
            "Plain words\n\nnotes.txt\n\nof a file",
        ),
        (
            parts("alternative", PLAIN,
                  parts("mixed", PAGE, part(b"of a file", "text/csv; name=t.csv", Content_Disposition="attachment"))),
            "Plain words\n\nt.csv\n\nof a file",
        ),
        (
            parts("mixed", PLAIN, part(mail(parts("mixed", part(b"Forwarded"), part(b"more"))), "message/rfc822")),
            f"Plain words\n\n{HEAD}Forwarded\n\nmore",
        ),
        (
            parts("mixed", PLAIN, part(base64.encodebytes(mail(part(b"Forwarded"))), "message/rfc822",
                                       Content_Transfer_Encoding="base64")),
            f"Plain words\n\n{HEAD}Forwarded",
        ),
        (
            parts("report", part(b"Not delivered"), part(b"Action: failed\r\n", "message/delivery-status")),
            "Not delivered\n\nAction: failed",
        ),
        (parts("signed", PLAIN, part(b"x", "application/pgp-signature")), "Plain words"),
    ],
    ids=["texts", "behind a file", "footer", "scant", "related", "start", "file", "unpicked", "forwarded",
         "encoded", "report", "signed"],
)  # fmt: skip
def test_every_text_of_a_mail_is_kept_in_its_order(run: Extraction, body: bytes, text: str) -> None:
    assert run(mail(body), "email").text == (HEAD + text).strip()


def test_files_that_are_not_read_are_named_wherever_they_are_in_a_mail(run: Extraction) -> None:
    event = part(b"BEGIN:VCALENDAR", "text/calendar", Content_Disposition="attachment; filename=day.ics")
    picture = part(b"x", "image/png", Content_Disposition="inline; filename*=euc-kr''%C7%D1.png")
    loaded = part(b"x", "image/gif; name=logo.gif", Content_ID="<1>", Content_Disposition="inline")
    inner = mail(parts("mixed", part(b"Forwarded"), FILE))
    body = parts(
        "mixed", parts("alternative", PLAIN, parts("related", PAGE, loaded, event)), picture,
        part(inner, "message/rfc822"), part(b"x", "application/zip; name*=utf-8''C%3A%5C%C3%BC.zip"),
        part(b"x", "application/zip; name=\"=?gb2312?B?6UY=?=.zip\""), part(b"x", "image/tiff"),
    )  # fmt: skip
    run(mail(body), "email")
    names = "“day.ics”, “한.png”, “a.pdf”, “ü.zip”, “镕.zip” and 1 more"
    assert run.warnings[-1:] == [f"6 attached files left out: {names}. Ingest what you need"]


def encoded(text: str, codec: str, label: str = "") -> bytes:
    return b"=?%b?B?%b?=" % ((label or codec).encode(), base64.b64encode(text.encode(codec)))


@pytest.mark.parametrize(
    ("subject", "title"),
    [
        (encoded("한국어로 쓴 편지입니다", "cp949", "ks_c_5601-1987"), "한국어로 쓴 편지입니다"),
        (encoded("朱镕基总理的讲话", "gbk", "gb2312"), "朱镕基总理的讲话"),
        (encoded("髙橋さんへ①", "cp932", "Shift_JIS"), "髙橋さんへ①"),
        (encoded("Über “das”", "cp1252", "iso-8859-1"), "Über “das”"),
        (encoded("Сводка", "koi8-r") + b" " + encoded(" за день", "koi8-r"), "Сводка за день"),
        (b"=?big5?Q?=A5x=A5=5F?= =?Big5*zh?q?=A4=BD=B6=E9_x?=", "台北公園 x"),
        (b"=?utf-8?B?5Y8=?=\r\n =?UTF-8?B?sOWMlw==?= and on", "台北 and on"),
        (b"=?utf-8?Q?Gr=C3?=\r\n\t=?utf-8?Q?=BC=C3=9Fe?=", "Grüße"),
        (b"Re: =?utf-8?Q?What? No!?= (=?utf-8?B?w7w?=)", "Re: What? No! (ü)"),
        ("Grüße aus Köln".encode(), "Grüße aus Köln"),
        ("Съешь же ещё этих мягких булок".encode("cp1251"), "Съешь же ещё этих мягких булок"),
    ],
    ids=["ks_c_5601", "gbk", "shift_jis", "cp1252", "koi8", "big5", "split character", "split quoted", "loose", "raw",
         "raw as its text"],
)  # fmt: skip
def test_headers_are_read_in_the_charsets_that_they_are_written_in(run: Extraction, subject: bytes, title: str) -> None:
    body = part("Съешь же ещё этих мягких французских булок".encode("cp1251"), "text/plain; charset=windows-1251")
    found = run(mail(body, subject), "email")
    assert found.title == title
    assert f"Subject: {title}\n\nСъешь" in found.text
    assert not run.warnings


def test_a_charset_that_is_not_known_is_told_with_where_it_stands(run: Extraction) -> None:
    text = "Грязные ложки лежат на столе уже второй день, и никто их не моет. ".encode("koi8-r") * 3
    name = b"=?x-none?B?" + base64.b64encode(text[:40]) + b"?="
    file = part(text, "text/plain; charset=x-odd", Content_Disposition="attachment; filename=a.txt")
    assert "ложки" in run(mail(parts("mixed", part(text, "text/plain; charset=x-mine"), file), name), "email").text
    for said in (
        "The header Subject: It declares the charset “x-none”, which is not known",
        "It declares the charset “x-mine”, which is not known",
        "Attached “a.txt”: It declares the charset “x-odd”, which is not known",
    ):
        assert said in run.warnings


BASE64 = base64.encodebytes(b"The quick brown fox jumps over the lazy dog. " * 4)


@pytest.mark.parametrize(
    ("encoding", "content", "text"),
    [
        ("base64", BASE64 + b"\n_____\nThe list of all foxes\n", "lazy dog.\n_____\nThe list of all foxes"),
        ("base64", BASE64[:-4] + b"A", "over the lazy dog"),
        ("base64", b"VGhl*IHF1#aWNr", "The quick"),
        ("base64", b"VGhl\nIA=\ncXVpY2s=", "The quick"),
        ("base64", b"Dear all, this is as it stands.\nBye", "Dear all, this is as it stands.\nBye"),
        ("base64", b"Hello\nthis is as it stands", "Hello\nthis is as it stands"),
        ("quoted-printable", b"a =ZZ b =C3=BC", "a =ZZ b ü"),
    ],
    ids=["footer", "cut", "junk", "padding", "not encoded", "not encoded either", "no digits"],
)
def test_a_body_that_is_encoded_wrongly_is_read_as_far_as_it_goes(
    run: Extraction, encoding: str, content: bytes, text: str
) -> None:
    found = run(mail(part(content, Content_Transfer_Encoding=encoding)), "email")
    assert text in found.text
    assert run.warnings == [f"It is damaged (broken {encoding}): read as far as it goes"]


@pytest.mark.parametrize("encoding", ["BASE64 ", '"base64"', "base64; x=y", "Quoted-Printable"])
def test_an_encoding_may_be_written_loosely(run: Extraction, encoding: str) -> None:
    encode = quopri.encodestring if encoding.startswith("Q") else base64.encodebytes
    content = encode("Schöne Grüße".encode())
    assert run(mail(part(content, Content_Transfer_Encoding=encoding)), "email").text.endswith("Schöne Grüße")
    assert not run.warnings


def envelope(data: bytes) -> bytes:
    return b"From a@example.org Mon Nov  2 10:00:00 2026\n" + data.replace(b"\r\n", b"\n") + b"\n\n"


def test_an_mbox_is_all_of_its_mails(run: Extraction) -> None:
    first = part(b"One\n\nFrom here on nothing is new, at 10:00 in 2026\nFrom: nobody\n\n>From the start")
    second = parts("mixed", part("Zwei Grüße".encode("latin-1"), "text/plain; charset=latin1"), FILE)
    data = b"".join(map(envelope, (mail(first, b"A"), mail(second, b"B"), mail(FILE, b"C"))))
    assert identify(data, name="archive.mbox").kind == "email"
    assert identify(data, name="inbox").kind == "email"
    found = run(data, "email", name="old-mails.mbox")
    assert found.title == "old mails"
    assert "at 10:00 in 2026\nFrom: nobody\n\nFrom the start\n\nFrom: a@example.org\nSubject: B" in found.text
    assert found.text.count("Grüße") == 1
    assert found.text.endswith("Subject: C")
    assert run.warnings == ["2 attached files left out: “a.pdf”, “a.pdf”. Ingest what you need"]


def test_an_mbox_of_one_is_that_mail(run: Extraction) -> None:
    found = run(envelope(mail(part(b"Words"))), "email")
    assert (found.title, found.text) == ("Hi", f"{HEAD}Words")


def test_a_mail_of_an_mbox_whose_parser_fails_is_left_out_by_number(
    run: Extraction, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(source: str) -> str:
        raise AssertionError("tag 7")

    monkeypatch.setattr("app.ingest.readers.mail.text_of", fail)
    found = run(envelope(mail(part(b"Words"))) + envelope(mail(PAGE)), "email")
    assert found.text == f"{HEAD}Words"
    assert run.warnings == ["Mail 2 is left out (AssertionError: tag 7)"]


@pytest.mark.parametrize(
    ("body", "how"),
    [
        (parts("encrypted", part(b"Version: 1", "application/pgp-encrypted"), part(b"x", "application/x")), "PGP"),
        (part(b"-----BEGIN PGP MESSAGE-----\n\nwcBMA", "text/plain"), "PGP"),
        (part(b"MIAG", "application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m"), "S/MIME"),
    ],
)
def test_a_mail_that_is_encrypted_is_refused_by_what_it_is_packed_by(run: Extraction, body: bytes, how: str) -> None:
    with pytest.raises(ExtractError, match=f"is packed by {how}, encrypted or signed: save it without"):
        run(mail(body), "email")


def test_a_mail_without_a_subject_is_titled_by_its_file(run: Extraction) -> None:
    assert run(b"From: a@example.org\nMessage-ID: <1>\n\nWords", "email", name="to-ann.eml").title == "to ann"


def test_html_in_a_mail_that_cannot_be_parsed_is_told(run: Extraction) -> None:
    assert run(mail(parts("mixed", PLAIN, part(b"<!-- -->", "text/html"))), "email").text == f"{HEAD}Plain words"
    assert ["This HTML cannot be parsed" in each for each in run.warnings] == [True]


def test_a_multipart_without_its_boundary_is_read_as_it_stands(run: Extraction) -> None:
    assert run(mail(part(b"Words of it", "multipart/mixed")), "email").text.endswith("Words of it")
    assert "It is damaged (NoBoundaryInMultipartDefect" in run.warnings[0]
