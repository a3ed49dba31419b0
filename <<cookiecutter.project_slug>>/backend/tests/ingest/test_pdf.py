"""PDFs as people have them: in any script, filled in, scanned, encrypted, damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.ingest.extract import ExtractError
from tests.ingest.extraction import Extraction
from tests.pdf import make_pdf, page_pdf, stream, write_pdf


@pytest.fixture
def run(tmp_path: Path) -> Extraction:
    return Extraction(tmp_path)


HELVETICA = b"{/Type/Font/Subtype/Type1/BaseFont/Helvetica}"
FONT = b"/Font{/F1 5 0 R}"


def composite(encoding: bytes, collection: bytes = b"Identity", more: bytes = b"") -> tuple[bytes, bytes]:
    """A composite font and its descendant, as the objects 5 and 6; the font is not embedded."""
    return (
        b"{/Type/Font/Subtype/Type0/BaseFont/Some/Encoding/%s/DescendantFonts[6 0 R]%s}" % (encoding, more),
        b"{/Type/Font/Subtype/CIDFontType0/BaseFont/Some/CIDSystemInfo{/Registry(Adobe)/Ordering(%s)/Supplement 0}}"
        % collection,
    )


def show(codes: bytes) -> bytes:
    return b"BT /F1 12 Tf 72 720 Td (%s) Tj ET" % b"".join(b"\\%03o" % code for code in codes)


def test_pdf_gives_title_and_a_line_for_each_page(run: Extraction) -> None:
    found = run(make_pdf(["First page here", "Second page\nof two"], title="The (Report)"), "pdf")
    assert found.title == "The (Report)"
    assert found.text == "First page here\n\nSecond page\nof two"
    assert found.words == 7
    assert run.messages == [
        "Opened the PDF: 2 pages, version 1.4, made by “the tests”",
        "Page 1 of 2: 3 words",
        "Page 2 of 2: 4 words",
    ]


def test_a_pdf_with_a_title_that_says_nothing_takes_its_first_line(run: Extraction) -> None:
    assert run(make_pdf(["A heading\nand text"], title="untitled"), "pdf").title == "A heading"


def test_a_long_pdf_is_a_bounded_number_of_lines(run: Extraction) -> None:
    run(make_pdf(["word"] * 90), "pdf")
    assert run.messages[1] == "Pages 1–3 of 90: 3 words"
    assert len(run.lines) == 31


@pytest.mark.parametrize(
    ("text", "charset", "encoding", "collection"),
    [
        ("東京都の公園で、桜が咲いた。", "cp932", b"90ms-RKSJ-H", b"Japan1"),
        ("吾輩は猫である。名前はまだ無い。", "utf-16-be", b"UniJIS-UTF16-H", b"Japan1"),
        ("日本語の文書", "euc-jp", b"EUC-H", b"Japan1"),
        ("北京的公园里，花开了。", "gbk", b"GBK-EUC-H", b"GB1"),
        ("臺北的公園裡，花開了。", "big5", b"ETen-B5-H", b"CNS1"),
        ("서울의 공원에 꽃이 피었다.", "cp949", b"KSCms-UHC-H", b"Korea1"),
        ("한국어 문서", "utf-16-be", b"UniKS-UCS2-H", b"Korea1"),
    ],
)
def test_chinese_japanese_and_korean_are_read_by_their_cmaps(
    run: Extraction, text: str, charset: str, encoding: bytes, collection: bytes
) -> None:
    content = page_pdf(show(text.encode(charset)), *composite(encoding, collection), resources=FONT)
    found = run(content, "pdf")
    assert "".join(found.text.split()) == "".join(text.split())
    assert "".join(found.title.split()) == "".join(text.split())
    assert not run.warnings


def test_a_font_that_names_its_letters_is_believed(run: Extraction) -> None:
    names = (b"1 beginbfchar [01] [0158] endbfchar 1 beginbfchar [02] [D83DDE00] endbfchar").translate(
        bytes.maketrans(b"[]", b"<>")
    )
    font = b"{/Type/Font/Subtype/Type1/BaseFont/Some/ToUnicode 6 0 R}"
    assert run(page_pdf(show(b"\1\2 x"), font, stream(names), resources=FONT), "pdf").text == "Ř😀 x"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"BT /F1 12 Tf 72 720 Td [(Two) -600 (words)] TJ ET", "Two words"),
        (b"BT /F1 12 Tf 72 720 Td (Two) Tj 40 0 Td (words) Tj ET", "Two words"),
        (b"BT /F1 12 Tf 72 720 Td (\\256nd the \\257ower) Tj ET", "find the flower"),
        (b"BT /F1 12 Tf 14 TL 72 720 Td (infor-) Tj T* (mation) Tj ET", "infor-\nmation"),
    ],
    ids=["by an offset", "by a move", "ligatures", "a broken word"],
)
def test_spaces_ligatures_and_broken_words_are_kept(run: Extraction, content: bytes, text: str) -> None:
    font = b"{/Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/StandardEncoding}"
    assert run(page_pdf(content, font, resources=FONT), "pdf").text == text


@pytest.mark.parametrize("letters", ["4\"'0\3'0\3-,\3", "ǡǼǱǺǓǯǯǱǿǿ", "᧒ᥱᦎᦫ", "˸Ī\3'ī'Ĭϳ\3Ą٫ηϦԠߙ"], ids=ascii)
def test_a_font_that_does_not_say_its_letters_is_no_scan_and_no_text(run: Extraction, letters: str) -> None:
    content = page_pdf(show(letters.encode("utf-16-be")), *composite(b"Identity-H"), resources=FONT)
    with pytest.raises(ExtractError, match=r"fonts do not say which letters.*ocrmypdf"):
        run(content, "pdf")


def test_text_that_cannot_be_read_is_left_out_and_counted(run: Extraction) -> None:
    codes = b"".join(bytes([0, code - 29]) for code in b"This is no text ")
    both = show(codes) + b" BT /F2 12 Tf 72 700 Td (some words) Tj ET"
    content = page_pdf(both, *composite(b"Identity-H"), HELVETICA, resources=b"/Font{/F1 5 0 R/F2 7 0 R}")
    found = run(content, "pdf")
    assert (found.text, found.title) == ("some words", "some words")
    assert len(run.warnings) == 1
    assert "16 characters left out on page 1: the fonts do not say which letters they are" in run.warnings[0]


def test_signs_that_only_a_font_knows_are_bullets_or_left_out_and_counted(run: Extraction) -> None:
    names = b"2 beginbfchar [01] [F0B7] [02] [E0FF] endbfchar".translate(bytes.maketrans(b"[]", b"<>"))
    font = b"{/Type/Font/Subtype/Type1/BaseFont/Some/ToUnicode 6 0 R}"
    content = page_pdf(show(b"\1 An entry of a list \2of some length"), font, stream(names), resources=FONT)
    assert run(content, "pdf").text == "• An entry of a list of some length"
    assert "1 sign left out that only the fonts of this PDF know: icons or logos" in run.messages
    assert not run.warnings


def test_the_title_is_what_stands_in_the_largest_letters(run: Extraction) -> None:
    lines = (
        (9, "Journal of Tests, volume 3"),
        (20, "A Title"),
        (20, "in Two Lines"),
        (10, "Ann Author"),
        (10, "words"),
    )
    content = "BT " + " ".join(
        f"/F1 {size} Tf 72 {700 - 40 * n} Td ({line}) Tj 1 0 0 1 0 0 Tm" for n, (size, line) in enumerate(lines)
    )
    assert run(page_pdf(content.encode() + b" ET", HELVETICA, resources=FONT), "pdf").title == "A Title in Two Lines"


PICTURE = stream(b"\0" * 4, b"/Type/XObject/Subtype/Image/Width 2/Height 2/ColorSpace/DeviceGray/BitsPerComponent 8")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"q 600 0 0 700 0 0 cm /Im Do Q", r"pictures and no text: it is probably a scan.*ocrmypdf"),
        (b"0 0 m 100 100 l 200 0 l f", r"drawings and no text.*ocrmypdf"),
        (b"", "are blank: nothing to store"),
    ],
)
def test_a_pdf_without_text_is_called_what_it_is(run: Extraction, content: bytes, reason: str) -> None:
    with pytest.raises(ExtractError, match=reason):
        run(page_pdf(content, PICTURE, resources=b"/XObject{/Im 5 0 R}"), "pdf")


def test_pages_without_text_are_counted(run: Extraction) -> None:
    page = (
        b"{/Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents %d 0 R/Resources{/Font{/F1 10 0 R}/XObject{/Im 11 0 R}}}"
    )
    contents = (show(b"Text"), b"/Im Do", b"0 0 m 9 9 l 9 0 l f", b"")
    run(
        write_pdf(
            [b"{/Type/Catalog/Pages 2 0 R}", b"{/Type/Pages/Count 4/Kids[3 0 R 4 0 R 5 0 R 12 0 R]}"]
            + [page % number for number in (6, 7, 8)] + [stream(content) for content in contents]
            + [HELVETICA, PICTURE, page % 9]
        ),
        "pdf",
    )  # fmt: skip
    assert run.lines[-3:] == [
        ("1 page of 4 without text, only pictures: scans?", "warning"),
        ("1 page of 4 without text, only drawings", "warning"),
        ("1 page of 4 blank", "info"),
    ]


def test_filled_fields_and_notes_are_taken_in_and_attachments_are_named(run: Extraction) -> None:
    fields = [
        b"/FT/Tx/T(city)/TU(City of birth)/V(Lisboa)",
        b"/FT/Tx/T(empty)",
        b"/FT/Ch/Ff 131072/T(country)/V(pt)/Opt[[(es)(Spain)][(pt)(Portugal)]]",
        b"/FT/Btn/T(member)/V/Yes/AS/Yes/AP{/N{/Yes 6 0 R/Off 6 0 R}}",
        b"/FT/Btn/T(guest)/V/Off/AS/Off/AP{/N{/Yes 6 0 R/Off 6 0 R}}",
        b"/FT/Btn/Ff 65536/T(Send)",
    ]
    widgets = [b"{/Type/Annot/Subtype/Widget/Rect[0 0 9 9]%s}" % each for each in fields]
    note = b"{/Type/Annot/Subtype/Text/Rect[0 0 9 9]/T(Ann)/Contents(Is this true?)}"
    link = b"{/Type/Annot/Subtype/Link/Rect[0 0 9 9]/Contents(a link)}"
    file = b"{/Type/Annot/Subtype/FileAttachment/Rect[0 0 9 9]/FS{/Type/Filespec/F(b.csv)/EF{/F 6 0 R}}}"
    numbers = b" ".join(b"%d 0 R" % number for number in range(7, 7 + len(widgets)))
    found = run(
        page_pdf(
            show(b"A form"), HELVETICA, stream(b""), *widgets, note, link, file, resources=FONT,
            page=b"/Annots[%s 13 0 R 14 0 R 15 0 R]" % numbers,
            catalog=b"/AcroForm{/Fields[%s]}/Names{/EmbeddedFiles{/Names[(a) {/Type/Filespec/F(a.xml)/EF{/F 6 0 R}}]}}"
            % numbers,
        ),
        "pdf",
    )  # fmt: skip
    assert found.text == "A form\n\nCity of birth: Lisboa\ncountry: Portugal\nmember: Yes\nAnn: Is this true?"
    assert run.lines[-2:] == [
        ("Taken in behind the text of their pages: 3 form fields, 1 note", "info"),
        ("2 attached files left out: “a.xml”, “b.csv”. Ingest what you need", "warning"),
    ]


def test_a_form_that_only_its_own_program_shows_is_said_to_be_one(run: Extraction) -> None:
    form = b"/AcroForm{/Fields[]/XFA 6 0 R}"
    run(page_pdf(show(b"Please wait"), HELVETICA, stream(b"<x/>"), resources=FONT, catalog=form), "pdf")
    assert any("XFA form" in warning for warning in run.warnings)


def test_pages_that_cannot_be_read_are_a_bounded_number_of_lines(run: Extraction) -> None:
    page = b"{/Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 4 0 R/Resources{/Font{/F1 5 0 R}}}"
    kids = b"3 0 R " + b"9 0 R " * 299
    pages = b"{/Type/Pages/Count 300/Kids[%s]}" % kids
    objects = (b"{/Type/Catalog/Pages 2 0 R}", pages, page, stream(show(b"some words")), HELVETICA)
    assert run(write_pdf(objects), "pdf").text == "some words"
    assert sum("damaged and left out" in message for message in run.messages) == 6
    assert "294 more pages damaged and left out" in run.messages


def test_a_pdf_with_more_text_than_is_allowed_is_refused(run: Extraction, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.ingest.readers.pdf.MAX_CHARACTERS", 1_000)
    assert run(make_pdf(["x" * 499] * 2), "pdf").words == 2
    with pytest.raises(ExtractError, match="longer than 1,000 characters: split it"):
        run(make_pdf(["x" * 499] * 3), "pdf")


def test_a_pdf_that_wants_a_password_is_a_clear_error(run: Extraction) -> None:
    with pytest.raises(ExtractError, match="wants a password: remove the password"):
        run(make_pdf(["Secret words"], password="knock"), "pdf")


def test_a_pdf_that_is_encrypted_with_no_password_is_read(run: Extraction) -> None:
    assert run(make_pdf(["Secret words"], password=""), "pdf").text == "Secret words"
    assert "The PDF is encrypted, but opens without a password" in run.messages


WHOLE = make_pdf(["The first page", "The second page", "The third page"])


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (WHOLE[: WHOLE.index(b"xref")], "The first page\n\nThe second page\n\nThe third page"),
        (WHOLE[: WHOLE.index(b"(The third")], "The first page\n\nThe second page"),
        (WHOLE.replace(b"startxref\n", b"startxref\n9"), "The first page\n\nThe second page\n\nThe third page"),
        (
            WHOLE.replace(b"0000000009 00000 n", b"0000000123 00000 n"),
            "The first page\n\nThe second page\n\nThe third page",
        ),
    ],
    ids=["cut behind the pages", "cut in a page", "a wrong start", "a wrong offset"],
)
def test_a_damaged_pdf_is_read_as_far_as_it_goes_and_is_said_to_be_damaged(
    run: Extraction, content: bytes, text: str
) -> None:
    assert run(content, "pdf").text.startswith(text)
    assert any("The PDF is damaged" in warning for warning in run.warnings)


@pytest.mark.parametrize("content", [b"%PDF-1.4\nrubbish", make_pdf(["x"])[:200], b"%PDF-"])
def test_a_damaged_pdf_is_a_clear_error(run: Extraction, content: bytes) -> None:
    with pytest.raises(ExtractError, match=r"damaged.*export it again|no pages"):
        run(content, "pdf")
