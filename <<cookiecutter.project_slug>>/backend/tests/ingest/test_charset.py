from __future__ import annotations

import codecs
import re
import unicodedata

import pytest

from app.ingest.charset import charset_of, decode
from tests.ingest.languages import ALL_TEXTS, CHARSETS

# Under these names Python has an older charset than the one that is meant.
PYTHON = {
    "shift_jis": "cp932", "big5": "big5hkscs", "euc-kr": "cp949", "windows-874": "cp874", "ibm855": "cp855",
    "ibm866": "cp866", "macintosh": "mac-roman", "x-mac-cyrillic": "mac-cyrillic", "hz-gb-2312": "hz",
    "iso-2022-kr": "iso2022_kr",
}  # fmt: skip
PLAIN = str.maketrans({"’": "'", "“": '"', "”": '"', "„": '"', "–": "-", "€": "EUR"})
"""What was typed where a charset has no more."""
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
    codec = PYTHON.get(charset, charset)
    try:
        return text.encode(codec)
    except UnicodeEncodeError:
        return text.translate(PLAIN).encode(codec, "ignore")


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


SAMPLES = [(language, charset, text) for language, text in ALL_TEXTS.items() for charset in CHARSETS[language]]
KEPT = {
    (language, charset): composed(encode(text, charset).decode(PYTHON.get(charset, charset)))
    for language, charset, text in SAMPLES
}


@pytest.mark.parametrize(("language", "charset"), KEPT)
def test_a_declared_charset_is_believed_by_any_of_its_names(language: str, charset: str) -> None:
    data, text = encode(ALL_TEXTS[language], charset), KEPT[language, charset]
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
        for reading in (Reading(encode(ALL_TEXTS[language], charset), label),)
        if composed(reading.text) != KEPT[language, charset] and not reading.warned
    ]
    assert silent == []


# The kinds of files that chardet's corpus has: feeds, pages and plain text, in these charsets and in Unicode.
DRESSED = (
    ("{}", False),
    (ASCII + "{}", False),
    ("<p class=a>Plain words</p>\n" * 50 + "{}" + "<p class=a>Plain words</p>\n" * 50, True),
    ('<rss version="2.0"><channel><link>http://localhost/</link><item><title><![CDATA[{}]]></title></item>', False),
)
UNICODE = {
    "utf-8": b"", "utf-8-sig": b"", "utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE,
    "utf-32-le": codecs.BOM_UTF32_LE, "utf-32-be": codecs.BOM_UTF32_BE,
}  # fmt: skip


def files(charset: str) -> list[tuple[str, bytes, bool, str]]:
    """Small files in a charset: language, bytes, whether it is HTML, and what has to be in its text."""
    if charset in UNICODE:
        marks = {b"", UNICODE[charset]}
        return [
            (language, mark + form.format(f"{text}\n").encode(charset), html, text)
            for language, text in ALL_TEXTS.items() for form, html in DRESSED for mark in marks
        ]  # fmt: skip
    return [
        (language, encode(form.format(ALL_TEXTS[language]), charset), html, text)
        for (language, its), text in KEPT.items() if its == charset for form, html in DRESSED
    ]  # fmt: skip


@pytest.mark.parametrize("charset", [*UNICODE, *dict.fromkeys(charset for _, charset in KEPT)])
def test_what_declares_nothing_is_guessed_right_at_least_95_times_of_100(charset: str) -> None:
    read = [(language, Reading(data, html=html), text) for language, data, html, text in files(charset)]
    wrong = [(language, reading.lines) for language, reading, text in read if text not in composed(reading.text)]
    assert len(wrong) <= len(read) * 0.05, f"{len(read) - len(wrong)} of {len(read)} are right: {wrong}"
    assert all(reading.warned == (charset not in UNICODE) for _, reading, _ in read)


def test_a_guess_says_that_it_is_one_and_how_sure() -> None:
    assert Reading("Grüße".encode("cp1252")).lines == [
        (
            "Its charset is a guess: windows-1252, 16 % sure. If letters are wrong, save it as UTF-8 and try again.",
            "warning",
        ),
        ("Read as windows-1252 (guessed from its bytes): 5 characters", "info"),
    ]


def test_a_guess_is_right_as_often_as_it_says() -> None:
    right, said = [], []
    for (_, charset), text in KEPT.items():
        for start, length in ((0, 8), (10, 15), (20, 30), (5, 60), (30, 120)):
            part = text[start : start + length]
            reading = Reading(encode(part, charset))
            if (sure := re.search(r"(\d+) % sure", reading.lines[0][0])) is not None:
                said.append(int(sure[1]))
                right.append(100 * (composed(reading.text) == part))
    assert len(said) > 300
    assert abs(sum(said) - sum(right)) / len(said) < 5


def lacks(charset: str, byte: bytes) -> bool:
    return "\ufffd" in (byte + b" ").decode(PYTHON.get(charset, charset), "replace")


def test_one_bad_byte_does_not_make_it_another_charset_9_times_of_10() -> None:
    total, wrong = 0, []
    for (language, charset), text in KEPT.items():
        for byte in (b"\xff", b"\x81", b"\x90", b"\x98", b"\xd2"):
            if lacks(charset, byte) and not charset.startswith(("iso-2022", "hz")):
                total += 1
                reading = Reading(encode(ALL_TEXTS[language], charset) + b" " + byte + b" ")
                if not composed(reading.text).startswith(text):
                    wrong.append((language, charset, byte, reading.lines))
    assert total > 100
    assert len(wrong) <= 0.1 * total, wrong


@pytest.mark.parametrize("language", ALL_TEXTS)
@pytest.mark.parametrize("label", [None, "utf-8", "iso-8859-1"])
def test_utf_8_stays_utf_8_with_a_bad_byte_or_a_cut_character(language: str, label: str | None) -> None:
    text = ALL_TEXTS[language]
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


@pytest.mark.parametrize("label", [None, "utf-8", "iso-8859-1", "x-none"])
@pytest.mark.parametrize(
    ("damage", "lost"),
    [
        (b"\xff", "1 character"), (b" \x92 ", "1 character"), ("語".encode()[:2], "1 character"),
        (b"\x92\x92", "2 characters"),
    ],
)  # fmt: skip
def test_english_with_two_letters_and_a_bad_byte_stays_utf_8(label: str | None, damage: bytes, lost: str) -> None:
    text = f"{ASCII}A café, and {'one more ' if lost[0] == '1' else '“é” more '}café.\n{ASCII}"
    for data in (text.encode() + damage, damage + text.encode(), ASCII.encode() + damage + text.encode()):
        reading = Reading(data, label)
        assert text in reading.text
        assert reading.lines[-1] == (f"{lost} could not be decoded and became “�”", "warning")


def test_one_letter_and_a_cut_one_are_utf_8_if_nothing_else_is_declared() -> None:
    for label in (None, "utf-8"):
        assert Reading("One café, one caf".encode() + b"\xc3", label).text == "One café, one caf�"


@pytest.mark.parametrize(
    ("text", "charset"),
    [
        ("“CAFÉ” and no more", "windows-1252"), ("„Spaß“ muss sein", "windows-1252"), ("«РОССИЯ»", "windows-1251"),
        ("JOSÉ’S PLACE, a “bar”", "windows-1252"), ("30° to 40°, “about”", "windows-1252"),
    ],
)  # fmt: skip
def test_bytes_that_are_utf_8_by_chance_make_no_utf_8(text: str, charset: str) -> None:
    assert "�" not in Reading(encode(text, charset)).text
    assert Reading(encode(text, charset), charset).text == text


@pytest.mark.parametrize(("text", "charset"), [("Spaß’", "windows-1252"), ("爷爷", "gbk"), ("JOSÉ’S", "iso-8859-1")])
def test_letters_nobody_used_speak_for_what_is_declared(text: str, charset: str) -> None:
    assert Reading(encode(text, "windows-1252" if charset == "iso-8859-1" else charset), charset).text == text


def test_utf_8_that_declares_something_else_and_shows_little_of_it_is_a_warning() -> None:
    reading = Reading("Grüße".encode(), "iso-8859-1")
    assert reading.text == "Grüße"
    assert reading.lines[0] == (
        "It declares windows-1252, but looks like UTF-8: see if its letters are right",
        "warning",
    )


def test_replacement_characters_that_were_there_are_not_counted_as_damage() -> None:
    assert Reading("Grü�e".encode()).lines == [("Read as UTF-8: 5 characters", "info")]


@pytest.mark.parametrize("language", ALL_TEXTS)
@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_unicode_is_recognised_without_a_mark(language: str, codec: str) -> None:
    text = ALL_TEXTS[language] + "\n"
    assert Reading(text.encode(codec)).text == text
    assert Reading(text.encode(codec) + b"\n").text.startswith(text)  # cut inside of a character


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_unicode_without_a_mark_is_recognised_with_one_bad_character(codec: str) -> None:
    text = ALL_TEXTS["fr"] + ALL_TEXTS["ru"]
    half = "\ud800".encode(codec, "surrogatepass")
    reading = Reading(text.encode(codec) + half + text.encode(codec))
    assert reading.text == f"{text}�{text}"
    assert reading.lines[-1] == ("1 character could not be decoded and became “�”", "warning")


def test_text_within_tags_is_guessed_by_too() -> None:
    for start, end in (("<![CDATA[", "]]>"), ('<img alt="', '">')):
        assert ALL_TEXTS["ru"] in Reading(f"<p>{start}{ALL_TEXTS['ru']}{end}</p>".encode("koi8-r"), html=True).text


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


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("# coding: latin-2\n", ""), ("% !TEX encoding = ISO-8859-2\n", ""), ("= Title\n:encoding: iso-8859-2\n", ""),
        ("#!/usr/bin/env python\n# encoding=iso8859-2\n", ""),
        ("", "\n\n" * 400 + "# vim: set ts=8 fenc=latin2 :\n"),
        ("", "\n; Local Variables:\n; mode: text\n; coding: iso-8859-2-unix\n; End:\n"),
        ('\n<?xml version="1.0" encoding="ISO-8859-2"?>', ""),
    ],
)  # fmt: skip
def test_a_plain_text_says_its_charset_where_programs_have_it(start: str, end: str) -> None:
    polish = "Zażółć gęślą jaźń"
    reading = Reading(f"{start}{polish}{end}".encode("iso-8859-2"))
    assert (polish in reading.text, reading.warned) == (True, False)


def test_in_html_meta_goes_before_the_xml_declaration() -> None:
    polish = "Zażółć gęślą jaźń"
    page = f'<?xml version="1.0" encoding="koi8-r"?><html><meta charset="iso-8859-2"><p>{polish}'
    assert Reading(page.encode("iso-8859-2"), html=True).text.endswith(polish)


@pytest.mark.parametrize(
    ("label", "start", "html"),
    [
        ("x-none", "", False), ("x-none", "", True),
        (None, "<meta charset=x-none>", True),
        (None, "<meta http-equiv=content-type content='text/html; charset=x-none'>", True),
        (None, "<?xml version='1.0' encoding='x-none'?>", False),
        (None, "-*- coding: x-none -*-\n", False),
        (None, "vim: fenc=x-none\n", False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("charset", ["utf-8", "windows-1252", "iso-2022-jp"])
def test_a_declared_charset_that_is_not_known_is_named(label: str | None, start: str, html: bool, charset: str) -> None:
    reading = Reading(
        start.encode() + encode(ALL_TEXTS["ja" if charset == "iso-2022-jp" else "fr"], charset), label, html=html
    )
    assert reading.lines[0] == ("It declares the charset “x-none”, which is not known", "warning")


def test_after_a_charset_that_is_not_known_the_next_one_counts() -> None:
    page = "<meta charset=x-none><meta charset=iso-8859-2><p>Zażółć gęślą jaźń".encode("iso-8859-2")
    for label in (None, "x-other"):
        reading = Reading(page, label, html=True)
        assert reading.text.endswith("Zażółć gęślą jaźń")
        assert reading.lines == [
            (f"It declares the charset “{label or 'x-none'}”, which is not known", "warning"),
            (f"Read as iso-8859-2 (as it declares): {len(page)} characters", "info"),
        ]


def test_a_word_about_coding_declares_nothing() -> None:
    assert not Reading("# Coding: advanced\n# Encoding: how\n\nGrüße, Größe, Füße".encode()).warned


@pytest.mark.parametrize(
    ("content_type", "charset"),
    [
        ("text/html; charset=Latin-1", "Latin-1"), ('text/html;charset="koi8-r"; x=y', "koi8-r"), ("text/html", None),
        ("text/html; charset='koi8-r'", "koi8-r"), ("text/plain; CHARSET = koi8-r", "koi8-r"), ("", None),
        ("text/plain; charset*=us-ascii''koi8-r", "koi8-r"), ("text/plain; charset=", None),
    ],
)  # fmt: skip
def test_a_content_type_says_the_charset_in_any_of_its_forms(content_type: str, charset: str | None) -> None:
    assert charset_of(content_type) == charset


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
