"""Documents of the other kinds: office files, books, mails, tables, subtitles."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from app.ingest.extract import ExtractError
from app.ingest.identify import Kind, identify
from tests.ingest.extraction import Extraction


@pytest.fixture
def run(tmp_path: Path) -> Extraction:
    return Extraction(tmp_path)


Members = dict[str, str | bytes]


def zipped(**members: str | bytes) -> bytes:
    """A ZIP archive; `__` in a name stands for `/`, and a mimetype is not packed."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            packing = zipfile.ZIP_STORED if name == "mimetype" else zipfile.ZIP_DEFLATED
            archive.writestr(name.replace("__", "/"), content, packing)
    return out.getvalue()


def with_flags(archive: bytes, change: Callable[[int], int]) -> bytes:
    """The same with other flags in the two headers of each of its members."""
    content = bytearray(archive)
    for header in re.finditer(rb"PK(?:\x03\x04|\x01\x02)", archive):
        at = header.start() + (6 if header[0][2] == 3 else 8)
        content[at : at + 2] = change(int.from_bytes(content[at : at + 2], "little")).to_bytes(2, "little")
    return bytes(content)


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


SHELF = '<container xmlns="urn:c"><rootfile full-path="OEBPS/a.opf"/></container>'


def shelved(manifest: str, spine: str, pages: Members, guide: str = "") -> bytes:
    package = (
        f'<package xmlns="urn:p"><manifest>{manifest}</manifest><spine>{spine}</spine><guide>{guide}</guide></package>'
    )
    return zipped(**{"META-INF__container.xml": SHELF, "OEBPS__a.opf": package, **pages})


def chapter(number: int, href: str, more: str = "") -> tuple[str, str]:
    return f'<item id="c{number}" href="{href}" {more}/>', f'<itemref idref="c{number}"/>'


@pytest.mark.parametrize(
    ("label", "codec", "text"),
    [
        ("windows-1251", "cp1251", "Съешь ещё этих мягких булок"),
        ("Shift_JIS", "cp932", "髙橋さんは①番です"),
        ("big5", "big5", "台北的公園裡，花開了。"),
        ("gb2312", "gbk", "朱镕基总理的讲话"),
        ("ks_c_5601-1987", "cp949", "서울의 공원에 꽃이 피었다"),
        ("iso-8859-1", "cp1252", "Déjà vu — “encore”"),
        ("utf-16", "utf-16", "Grüße"),
    ],
)
def test_the_xml_of_an_archive_may_be_in_any_charset(run: Extraction, label: str, codec: str, text: str) -> None:
    declaration = f'<?xml version="1.0" encoding="{label}"?>\n'
    package = (
        f'{declaration}<package xmlns:dc="urn:dc"><dc:title>{text}</dc:title><manifest><item id="a" href="a.xhtml"/>'
        '</manifest><spine><itemref idref="a"/></spine></package>'
    )
    of_epub: Members = {
        "mimetype": "application/epub+zip",
        "META-INF__container.xml": SHELF,
        "OEBPS__a.opf": package.encode(codec),
        "OEBPS__a.xhtml": f"{declaration}<html><body><p>{text} &amp; more</p></body></html>".encode(codec),
    }
    found = run(zipped(**of_epub), "epub")
    assert (found.title, found.text) == (text, f"{text} & more")
    content = f'{declaration}<a xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"><text:p>{text}</text:p></a>'
    members: Members = {"META-INF__manifest.xml": "<manifest/>", "content.xml": content.encode(codec)}
    found = run(zipped(mimetype="application/vnd.oasis.opendocument.text", **members), "opendocument")
    assert found.text == text
    assert not run.warnings


def test_a_page_in_another_charset_than_its_book_is_told_by_its_name(run: Extraction) -> None:
    items, refs = zip(chapter(1, "a.xhtml"), chapter(2, "b.xhtml"), strict=True)
    page = '<?xml version="1.0" encoding="{}"?><html><body><p>Съешь ещё этих мягких булок</p></body></html>'
    other = page.format("windows-1251").encode("cp1251")
    pages: Members = {"OEBPS__a.xhtml": page.format("utf-8"), "OEBPS__b.xhtml": other}
    assert run(shelved("".join(items), "".join(refs), pages), "epub").text.count("булок") == 2
    assert not run.warnings
    pages["OEBPS__b.xhtml"] = page.format("utf-8").encode().replace("ъ".encode(), b"\xd1")
    run(shelved("".join(items), "".join(refs), pages), "epub")
    assert run.warnings == ["Chapter “b.xhtml”: 1 character could not be decoded and became “\ufffd”"]


@pytest.mark.parametrize(
    ("href", "member"),
    [
        ("text/one%20two.xhtml", "text/one two.xhtml"),
        ("text/%D0%B3%D0%BB.xhtml#top", "text/гл.xhtml"),
        ("text/one%20two.xhtml", "text/one%20two.xhtml"),
        ("./text/../Text/One.xhtml", "text/one.xhtml"),
        ("u\u0308ber.xhtml", "\u00fcber.xhtml"),
        ("%E4%B8%8A.xhtml", "上.xhtml"),
    ],
)
def test_a_chapter_is_found_however_its_name_is_written(run: Extraction, href: str, member: str) -> None:
    item, ref = chapter(1, href)
    page: Members = {f"OEBPS__{member.replace('/', '__')}": "<html><body><p>Words</p></body></html>"}
    content = shelved(item, ref, page)
    assert run(content, "epub").text == "Words"
    unsaid = with_flags(content, lambda flags: flags & ~0x800)  # many programs do not say that names are in UTF-8
    assert run(unsaid, "epub").text == "Words"
    assert not run.warnings


def test_the_cover_and_the_contents_of_a_book_are_left_out_unless_there_is_nothing_else(run: Extraction) -> None:
    names = ("cover", "nav", "toc", "a")
    pages: Members = {f"OEBPS__{name}.xhtml": f"<html><body><p>Of {name}</p></body></html>" for name in names}
    chapters = [
        chapter(1, "cover.xhtml"),
        chapter(2, "nav.xhtml", 'properties="scripted nav"'),
        chapter(3, "toc.xhtml"),
        chapter(4, "a.xhtml"),
        chapter(5, "map.png", 'media-type="image/png"'),
    ]
    guide = '<reference type="toc" href="toc.xhtml#start"/>'
    items, refs = zip(*chapters, strict=True)
    assert run(shelved("".join(items), "".join(refs), pages, guide), "epub").text == "Of a"
    assert "Opened the book: 1 chapter, without its cover and table of contents (3 pages)" in run.messages
    assert run(shelved(items[1], refs[1], pages), "epub").text == "Of nav"
    assert not run.warnings


@pytest.mark.parametrize(
    ("file", "content", "by"),
    [
        ("rights.xml", '<rights xmlns="http://ns.adobe.com/adept"/>', "DRM: Adobe ADEPT"),
        ("rights.xml", "<kdrm/>", "DRM: Kobo"),
        ("sinf.xml", "<sinf/>", "DRM: Apple FairPlay"),
        ("license.lcpl", "{}", "DRM: Readium LCP"),
        ("other.xml", "", "DRM"),
    ],
)
def test_a_protection_of_a_book_is_told_by_its_name(run: Extraction, file: str, content: str, by: str) -> None:
    item, ref = chapter(1, "one two.xhtml")
    locked = '<?xml version="1.0" encoding="utf-16"?><e><CipherReference URI="OEBPS/{}"/></e>'
    protected: Members = {
        "OEBPS__one two.xhtml": "<p>Words",
        "META-INF__encryption.xml": locked.format("one%20two.xhtml").encode("utf-16"),
        f"META-INF__{file}": content,
    }
    with pytest.raises(ExtractError, match=rf"protected \({by}\)"):
        run(shelved(item, ref, protected), "epub")
    protected["META-INF__encryption.xml"] = locked.format("one.otf").encode("utf-16")  # fonts may be
    assert run(shelved(item, ref, protected), "epub").text == "Words"


def test_a_chapter_whose_parser_fails_is_left_out_with_the_reason(
    run: Extraction, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(source: str) -> str:
        if "bad" in source:
            raise AssertionError("tag 7")
        return source

    monkeypatch.setattr("app.ingest.readers.archived.text_of", fail)
    items, refs = zip(*(chapter(n, f"{n}.xhtml") for n in range(9)), strict=True)
    pages: Members = {f"OEBPS__{n}.xhtml": "good" if n == 8 else f"bad {n}" for n in range(9)}
    assert run(shelved("".join(items), "".join(refs), pages), "epub").text == "good"
    assert run.warnings[0] == "Chapter “0.xhtml” is left out: AssertionError: tag 7"
    assert run.warnings[5:] == ["3 more warnings of this kind"]
    with pytest.raises(ExtractError, match=r"No chapter of this book can be read. The last one: AssertionError: tag 7"):
        run(shelved(items[0], refs[0], pages), "epub")


@pytest.mark.parametrize("kind", ["docx", "epub", "opendocument"])
def test_an_archive_with_a_password_is_a_clear_error(run: Extraction, kind: Kind) -> None:
    with pytest.raises(ExtractError, match="wants a password: save it without one and try again"):
        run(with_flags(word(paragraph("words")), lambda flags: flags | 1), kind)


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


FONTS = (
    rb"{\fonttbl{\f0\fcharset0 Arial;}{\f1\fcharset204{\*\panose 02}Arial Cyr;}{\f2\fcharset128 \'82\'6c;}"
    rb"{\f3\fcharset134 SimSun;}{\f4\fcharset1 Any;}{\f5\cpg949 Batang;}{\f6\fcharset2 Symbol;}}"
)


def escaped(text: str, codec: str) -> bytes:
    return b"".join(b"\\'%02x" % byte for byte in text.encode(codec))


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (rb"\ansicpg1251 " + escaped("Привет", "cp1251"), "Привет"),
        (rb"\ansicpg1251 " + "Привет, мир".encode("cp1251"), "Привет, мир"),
        (rb"\ansicpg932 " + escaped("日本", "cp932") + rb"\'83A\'83\\", "日本アソ"),
        (rb"\ansicpg936 " + escaped("镕", "gbk") + rb"\'b0\'a1" + b"\r\n" + rb"\'b0\'a2", "镕啊阿"),
        (rb"\ansicpg950 " + escaped("公園", "big5"), "公園"),
        (rb"\ansicpg65001 " + escaped("Ünï", "utf-8"), "Ünï"),
        (rb"\mac " + escaped("Ünï", "mac-roman"), "Ünï"),
        (rb"\pc " + escaped("Ünï", "cp437"), "Ünï"),
        (rb"\ansicpg10007 " + escaped("Привет", "mac-cyrillic"), "Привет"),
        (rb"\deff1" + FONTS + escaped("Да", "cp1251") + rb"{\f0 " + escaped("é", "cp1252") + rb"}\par " +
         escaped("Нет", "cp1251"), "Даé\nНет"),
        (FONTS + rb"\f1 " + escaped("Раз", "cp1251") + rb"\par\pard " + escaped("Два", "cp1251") + rb"\plain\b\'41",
         "Раз\nДваA"),
        (FONTS + rb"{\f2 " + escaped("日本", "cp932") + rb"}{\f3 " + escaped("中国", "gbk") + rb"}{\f5 " +
         escaped("한국", "cp949") + rb"}", "日本中国한국"),
        (rb"\ansicpg1251\deff4" + FONTS + escaped("Да", "cp1251") + rb"\f0 " + escaped("é", "cp1252"), "Даé"),
        (rb"\ansicpg1251\deff0{\fonttbl{\f0\fcharset0 Arial;}}" + escaped("Привет", "cp1251"), "Привет"),
        (rb"\uc1\u1055?\u1088\'f0\u1080 ?\u-10179 ?\u-8704 ?", "При😀"),
        (rb"\uc2\u26085\'93\'fa\u26412 {\'96\'7b}{\uc0\u26085 x}\u26412??y", "日本–{日x本y"),
        (rb"\u1055\u1088\u1080\u128512?\b bold\b0  and \{braces\}\'5c", "При😀bold and {braces}\\"),
        (rb"{\pict\bin9 \'ff}}{{\'ff}\\bin and \binary words", "\\bin and words"),
        (rb"{\pict\bin9 \'ff}}{{\'ff}" + rb"words {\*\unknown no}\'e9", "words é"),
    ],
    ids=["cyrillic", "raw", "shift_jis", "gbk over a line", "big5", "utf-8", "mac", "pc", "mac cyrillic",
         "default font", "font over paragraphs", "fonts", "default charset", "ansi alone", "pairs", "skipped",
         "unskipped", "no binary", "binary"],
)  # fmt: skip
def test_rtf_is_read_in_the_code_pages_of_its_fonts(run: Extraction, body: bytes, text: str) -> None:
    assert run(rb"{\rtf1\ansi " + body + rb"\par last}", "rtf").text == f"{text}\nlast"
    assert not run.warnings


def test_a_footnote_of_rtf_stands_where_it_is_referred_to(run: Extraction) -> None:
    note = rb"{\footnote \pard\plain \chftn{\b bold} and \'e9\'e9n.}"
    content = rb"{\rtf1\ansi One{\super\chftn}" + note + rb" two\b" + note + rb"\b0  three.\par Last}"
    assert run(content, "rtf").text == "One [bold and één.] two [bold and één.] three.\nLast"


def test_what_rtf_cannot_say_is_told(run: Extraction) -> None:
    content = b"\xef\xbb\xbf\n" + rb"{\rtf1\ansi\ansicpg932 \u-10179 ?\u9999999?x \'83\'41 \'85}"
    assert run(content, "rtf").text == "\ufffd\ufffdx ア \ufffd"
    lost = "could not be decoded and became “\ufffd”"
    assert run.warnings == [f"1 character {lost}", f"2 characters {lost}"]
    text = escaped("Грязные ложки лежат на столе уже второй день, и никто их не моет. ", "cp1251") * 3
    run(rb"{\rtf1\ansi\ansicpg9999 " + text + rb"}", "rtf")
    assert "It declares the charset “cp9999”, which is not known" in run.warnings


@pytest.mark.parametrize(
    "title",
    [
        escaped("Отчёт", "cp1251"),
        rb"?}{\*\ud{\title \uc0\u1054\u1090\u1095\u1105\u1090}",
        rb"{\uc1\u1054?\u1090?}\u1095?\u1105?\u1090?",
        "Отчёт".encode("cp1251"),
    ],
)
def test_the_title_of_rtf_is_in_its_code_page_too(run: Extraction, title: bytes) -> None:
    content = rb"{\rtf1\ansi\ansicpg1251{\info{\author x}{\title " + title + rb"}{\subject y}}words}"
    found = run(content, "rtf")
    assert (found.title, found.text) == ("Отчёт", "words")


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
        ("sep=;\na,b;c\n1,2;3\n", "a,b | c\n1,2 | 3", "some file"),
        ("\ufeff\ufeffSEP=\t\r\na;b\tc\r\n1\t2\r\n", "a;b | c\n1 | 2", "some file"),
        ('"sep=|"\na|b\n', "a | b", "some file"),
        ("\ufeffname;note\r\nAda;\"1, 2\r\n3; 4\"\r\n", "name | note\nAda | 1, 2\n3; 4", "some file"),
        ("a\tb\n" * 9 + '"1, 2, 3; 4; 5"\tx\n', "a | b\n" * 9 + "1, 2, 3; 4; 5 | x", "some file"),
        ('a;b\n' * 400 + '"say ""yes""; no";c\n', "a | b\n" * 400 + 'say "yes"; no | c', "some file"),
        ("a,b\r1,2\r", "a | b\n1 | 2", "some file"),
        ("a,b\u2028c\n1,2\x0b3\n", "a | b\u2028c\n1 | 23", "some file"),
        ("it's,b\nthat's,c\n", "it's | b\nthat's | c", "some file"),
    ],
)  # fmt: skip
def test_a_table_is_a_line_for_each_row(run: Extraction, content: str, text: str, title: str) -> None:
    found = run(content.encode(), "csv")
    assert (found.text, found.title) == (text, title)


@pytest.mark.parametrize(
    ("content", "warning"),
    [
        (
            "a;b\n1;2\n3;4;5\n6\n",
            "2 rows of 4 without the 2 cells of the others, such as '3 | 4 | 5': see if they are whole",
        ),
        ("Sales of 2026\na;b\n1;2\n", ""),
        ("one\ntwo\n", ""),
        (
            'a;b\n1;2\n3;"4\n5;6\n7;8\n',
            "A quotation mark has no second one: the rows behind it may have become one cell",
        ),
        ('a;5" pipe\n1;2\n', ""),
    ],
)
def test_rows_that_may_be_damaged_are_told(run: Extraction, content: str, warning: str) -> None:
    run(content.encode(), "csv")
    assert run.warnings == ([warning] if warning else [])


def test_a_table_of_excel_in_utf_16_is_read(run: Extraction) -> None:
    assert run("名前\t都市\r\n花子\t東京\r\n".encode("utf-16"), "csv").text == "名前 | 都市\n花子 | 東京"


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
        (
            "1\n00:00:01,000 --> 00:00:02,000 X1:40 X2:600 Y1:20 Y2:50\n{\\an8}{y:i}I <3 <font color=red>you</font>\\N"
            "and <b>more</b>\n\nbehind a blank &amp; on\n\n2\n"
            "0:00:03 --> 0:00:04\n42\n\n3\n00:00:05:100 --> 00:00:06:000\n43\n",
            "I <3 you and more\nbehind a blank & on\n42\n43",
            "some file",
        ),
        (
            "WEBVTT Kind: captions\r\rid 7\r00:01.000 --> 00:02.000 line:0 position:20%\r"
            "<00:01.500><c>Hi</c>\r\rNOTE no\rno",
            "Hi",
            "some file",
        ),
        (
            "0:00:01.000,0:00:02.500\nOne[br]two\n\n0:00:03.000,0:00:04.000\n1984\n\n0:00:05.000,0:00:06.000\nEnd\n",
            "One two\n1984\nEnd",
            "some file",
        ),
    ],
)
def test_subtitles_give_what_is_said(run: Extraction, content: str, text: str, title: str) -> None:
    found = run(content.encode(), "subtitles")
    assert (found.text, found.title) == (text, title)
