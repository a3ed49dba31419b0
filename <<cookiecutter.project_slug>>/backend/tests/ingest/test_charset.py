from __future__ import annotations

import codecs
import unicodedata

import pytest

from app.ingest.charset import decode
from tests.ingest.languages import CHARSETS, TEXTS

# Under these names Python has an older charset than the one that is meant.
PYTHON = {"shift_jis": "cp932", "big5": "big5hkscs", "euc-kr": "cp949", "windows-874": "cp874", "ibm866": "cp866"}
ALIASES = {
    "windows-1250": "x-cp1250", "windows-1251": "CP1251", "windows-1252": "ISO-8859-1", "windows-1254": "latin5",
    "windows-1255": "x-cp1255", "windows-874": "TIS-620", "iso-8859-2": "l2", "koi8-r": "koi", "koi8-u": "KOI8-RU",
    "ibm866": "csIBM866", "shift_jis": "Windows-31J", "euc-jp": "x-euc-jp", "iso-2022-jp": "csISO2022JP",
    "gbk": "GB2312", "big5": "x-x-big5", "euc-kr": "KS_C_5601-1987",
}  # fmt: skip
ASCII = "Plain words here and there, lines of nothing much in particular.\n" * 30


class Reading:
    """The text of some bytes as it was read, and what was said about it."""

    def __init__(self, data: bytes, charset: str | None = None, *, html: bool = False) -> None:
        self.lines: list[tuple[str, str]] = []
        self.text = decode(data, charset, lambda *line: self.lines.append(line), html=html)
        self.warned = any(level == "warning" for _, level in self.lines)


def encode(text: str, charset: str) -> bytes:
    if charset == "windows-1258":  # has most tones only as marks of their own
        return b"".join(_vietnamese(character) for character in unicodedata.normalize("NFC", text))
    return text.encode(PYTHON.get(charset, charset), "ignore" if charset.startswith("iso-8859") else "strict")


def _vietnamese(character: str) -> bytes:
    for split in range(3):
        letters = unicodedata.normalize("NFD", character)
        tone = "".join(each for each in letters if each in "\u0300\u0301\u0303\u0309\u0323") if split else ""
        rest = unicodedata.normalize("NFC", "".join(each for each in letters if each not in tone))
        try:
            return (rest + tone).encode("cp1258")
        except UnicodeEncodeError:
            continue
    raise AssertionError(character)


def composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)


SAMPLES = [(language, charset, text) for language, text in TEXTS.items() for charset in CHARSETS[language]]
KEPT = {
    (language, charset): composed(encode(text, charset).decode(PYTHON.get(charset, charset)))
    for language, charset, text in SAMPLES
}


@pytest.mark.parametrize(("language", "charset"), KEPT)
def test_a_declared_charset_is_believed_by_any_of_its_names(language: str, charset: str) -> None:
    data, text = encode(TEXTS[language], charset), KEPT[language, charset]
    for label in (charset, charset.upper(), ALIASES.get(charset, charset)):
        reading = Reading(data, label)
        assert (composed(reading.text), reading.warned) == (text, False)
    page = f'<!-- <meta charset=x> --><p title="<meta charset=big5>"><meta content="text/html;charset={charset}" '
    reading = Reading(page.encode() + b"http-equiv=Content-Type>" + data, html=True)
    assert composed(reading.text).endswith(text)
    assert not reading.warned


def test_nothing_that_declares_a_wrong_charset_is_wrong_in_silence() -> None:
    silent = [
        (language, charset, label)
        for language, charset in KEPT
        for label in ("utf-8", "iso-8859-1", "windows-1251", "shift_jis", "no-such-charset")
        for reading in (Reading(encode(TEXTS[language], charset), label),)
        if composed(reading.text) != KEPT[language, charset] and not reading.warned
    ]
    assert silent == []


def test_what_declares_nothing_is_guessed_right_at_least_95_times_of_100() -> None:
    wrong, silent, total = [], [], 0
    for (language, charset), text in KEPT.items():
        data = encode(TEXTS[language], charset)
        page = ("<p class=a>Plain words</p>\n" * 50).encode()
        for start, end in ((b"", b""), (ASCII.encode(), b""), (page, page)):
            total += 1
            reading = Reading(start + data + end, html=start == page)
            if text not in composed(reading.text):
                wrong.append((language, charset, reading.lines))
                silent += [] if reading.warned else [(language, charset)]
    assert len(wrong) <= total * 0.05, wrong
    assert len(silent) <= total * 0.01, silent


def test_a_guess_that_is_not_sure_is_a_warning() -> None:
    assert Reading("Grüße".encode("cp1252")).lines == [
        (
            "Its charset is a guess, and not a sure one: windows-1252. If letters are wrong, save it as UTF-8 and try "
            "again.",
            "warning",
        ),
        ("Read as windows-1252 (guessed from its bytes): 5 characters", "info"),
    ]


@pytest.mark.parametrize("language", TEXTS)
@pytest.mark.parametrize("label", [None, "utf-8", "iso-8859-1"])
def test_utf_8_stays_utf_8_with_a_bad_byte_or_a_cut_character(language: str, label: str | None) -> None:
    text = TEXTS[language]
    data = text.encode()
    for damaged in (
        data[:40] + b"\xff" + data[40:],
        data + "é".encode()[:1],
        "語".encode()[1:] + data,
        data + b"\x92s",
    ):
        reading = Reading(damaged, label)
        lost = reading.text.count("�")
        assert 1 <= lost <= 4
        assert sum(each in text for each in reading.text) >= len(text) - 1
        assert reading.lines[1:] == [
            (f"{lost} character{'s' if lost > 1 else ''} could not be decoded and became “�”", "warning")
        ]


def test_replacement_characters_that_were_there_are_not_counted_as_damage() -> None:
    assert Reading("Grü�e".encode()).lines == [("Read as UTF-8: 5 characters", "info")]


@pytest.mark.parametrize("language", TEXTS)
@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_unicode_is_recognised_without_a_mark(language: str, codec: str) -> None:
    text = TEXTS[language] + "\n"
    assert Reading(text.encode(codec)).text == text
    assert Reading(text.encode(codec) + b"\n").text.startswith(text)  # cut inside of a character


def test_what_the_web_means_is_read_and_not_what_the_label_said_in_its_time() -> None:
    assert Reading("“€” – Œuvre".encode("cp1252"), "iso-8859-1").text == "“€” – Œuvre"
    assert Reading("“€” – Œuvre".encode("cp1252"), "us-ascii").text == "“€” – Œuvre"
    assert Reading("①㈱髙".encode("cp932"), "shift_jis").text == "①㈱髙"
    assert Reading("① 日本".encode("euc_jis_2004"), "euc-jp").text == "① 日本"
    assert Reading("똠방각하".encode("cp949"), "ks_c_5601-1987").text == "똠방각하"
    assert Reading("朱镕基 €".encode("gb18030"), "gb2312").text == "朱镕基 €"
    assert Reading("汉字".encode("hz"), "hz-gb-2312").text == "汉字"
    assert Reading("한국".encode("iso2022_kr"), "iso-2022-kr").text == "한국"


def test_a_document_says_its_charset_in_its_own_words() -> None:
    polish = "Zażółć gęślą jaźń"
    data = polish.encode("iso-8859-2")
    assert Reading(b'<?xml version="1.0" encoding="ISO-8859-2"?>\n' + data, html=True).text.endswith(polish)
    assert Reading(b"# -*- mode: text; coding: latin-2-unix -*-\n" + data).text.endswith(polish)
    assert Reading(b"a\nvim: set fileencoding=iso8859-2 :\n" + data).text.endswith(polish)
    assert Reading(b"<meta charset=utf-16><p>" + polish.encode(), html=True).text.endswith(polish)
    late = b"<html><head>" + b"<script>var x = '<a>'</script>" * 300 + b"<META CHARSET=' iso-8859-2 '>"
    assert Reading(late + data, html=True).text.endswith(polish)


def test_a_mark_decides_against_what_is_declared() -> None:
    for mark, codec in (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
    ):
        assert Reading(mark + "Grüße".encode(codec), "iso-8859-1").text == "Grüße"


def test_nul_characters_are_left_out() -> None:
    assert Reading(b"one\0 line\n\0").text == "one line\n"
    assert Reading("eine Zeile für\0 alle".encode()).text == "eine Zeile für alle"


@pytest.mark.parametrize("label", ["rot13", "idna", "punycode", "unicode_escape", "undefined", "\0", "x" * 5000, "é"])
def test_a_label_that_names_no_charset_is_said_and_hurts_nothing(label: str) -> None:
    reading = Reading("Grüße für alle".encode("cp1252"), label)
    assert reading.text == "Grüße für alle"
    assert "which is not known" in reading.lines[0][0]


def test_any_bytes_are_some_text() -> None:
    for data in (
        b"",
        b"\0",
        b"\xff",
        bytes(range(256)) * 4,
        b"\x1b$B",
        b"\x1b$B\xff",
        b"<meta charset",
        b"~{",
        b"\xfe\xff\xd8",
    ):
        for label in (None, "utf-8", "utf-16", "iso-2022-jp", "hz", "x-user-defined"):
            for html in (False, True):
                Reading(data, label, html=html)
