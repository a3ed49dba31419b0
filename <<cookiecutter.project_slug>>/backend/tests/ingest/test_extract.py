from __future__ import annotations

from pathlib import Path

import pytest

from app.ingest.extract import Extracted, ExtractError
from app.ingest.identify import Kind
from app.ingest.readers.common import count_words
from tests.ingest.extraction import Extraction
from tests.pdf import make_pdf


@pytest.fixture
def run(tmp_path: Path) -> Extraction:
    return Extraction(tmp_path)


def test_text_takes_its_first_line_as_title(run: Extraction) -> None:
    found = run(b"A title\n\nSome words here.\r\n\r\nAnd more.\n", "text")
    assert found == Extracted("A title", "A title\n\nSome words here.\n\nAnd more.", 7)
    assert run.messages[0] == "Read as ASCII: 39 characters"
    assert run.messages[1:] == [
        "Paragraph 1 of 3: 2 words",
        "Paragraph 2 of 3: 3 words",
        "Paragraph 3 of 3: 2 words",
    ]


def test_text_that_begins_with_a_paragraph_is_titled_by_its_file(run: Extraction) -> None:
    assert run(b"word " * 100, "text", name="my_travel-notes.txt").title == "my travel notes"


def test_a_long_text_is_a_bounded_number_of_lines(run: Extraction) -> None:
    run(b"word\n\n" * 5000, "text")
    assert 20 <= len(run.lines) <= 60
    assert run.messages[-1] == "Paragraphs 4,876–5,000 of 5,000: 125 words"


@pytest.mark.parametrize(
    ("content", "charset", "expected"),
    [
        ("Grüße".encode(), "latin-1", "Grüße"),  # valid UTF-8 is UTF-8, whatever is said
        ("Grüße".encode("latin-1"), "iso-8859-1", "Grüße"),
        ("Grüße".encode("utf-16"), None, "Grüße"),
        ("Grüße".encode("utf-32"), None, "Grüße"),
        (("Съешь же ещё этих мягких французских булок. " * 20).encode("cp1251"), None, "Съешь"),
        ("Grüße".encode("cp1252"), "no-such-charset", "Gr"),
    ],
)
def test_the_charset_is_found(run: Extraction, content: bytes, charset: str | None, expected: str) -> None:
    assert run(content, "text", charset=charset).text.startswith(expected)


def test_what_cannot_be_decoded_is_counted(run: Extraction) -> None:
    run("ok ".encode("utf-16") + b"\x00\xd8x", "text")
    assert any(level == "warning" and "could not be decoded" in message for message, level in run.lines)


def test_controls_and_search_markers_never_reach_the_text(run: Extraction) -> None:
    assert run(b"a\x02b\x03c\x1b[31m red\x0cpage", "text").text == "abc[31m red\npage"


def test_markdown_gives_title_sections_and_plain_words(run: Extraction) -> None:
    source = (
        b"# The *Title*\n\nOne [link](http://x.y) and `code`.\n\n"
        b"## Second\n\n```\nx = 1\n```\n\n| a | b |\n|-|-|\n| c | d |\n"
    )
    found = run(source, "markdown")
    assert found.title == "The Title"
    assert found.text == "The Title\n\nOne link and code.\n\nSecond\n\nx = 1\n\na | b\n\nc | d"
    assert run.messages[1:] == ["Section “The Title”: 6 words", "Section “Second”: 7 words"]


def test_front_matter_is_not_text_but_gives_the_title(run: Extraction) -> None:
    found = run(b'---\ntitle: "From above"\ntags: [a]\n---\n# Heading\n\nBody', "markdown")
    assert (found.title, found.text) == ("From above", "Heading\n\nBody")
    assert "Front matter: title, tags" in run.messages


PAGE = """<!doctype html>
<html><head><title>The page - Site</title><meta name="author" content="Ann Author"></head><body>
<nav><a href=/>Home</a><a href=/about>About us</a></nav>
<article><h1>The article</h1>
<p>The first paragraph says something at some length, so that it is taken for an article by whoever
reads it.</p>
<h2>A part</h2>
<p>The second paragraph goes on in the same manner, at the same length, and about the same things.</p>
</article>
<footer>Copyright, imprint</footer><script>var secret = 1</script></body></html>"""


def test_html_gives_the_article_without_what_is_around_it(run: Extraction) -> None:
    found = run(PAGE.encode(), "html")
    assert found.title == "The article"
    assert "first paragraph" in found.text
    assert "second paragraph" in found.text
    assert "secret" not in found.text
    assert "About us" not in found.text
    assert "Section “A part”: 20 words" in run.messages
    assert any("Ann Author" in message for message in run.messages)


def test_html_declares_its_charset(run: Extraction) -> None:
    page = PAGE.replace("<head>", '<head><meta charset="windows-1251">').replace("something", "Привет")
    assert "Привет" in run(page.encode("cp1251"), "html").text


def test_html_with_no_article_keeps_its_text(run: Extraction) -> None:
    found = run(b"<html><head><title>T</title></head><body><script>x()</script><div>hi</div></body></html>", "html")
    assert found.text == "hi"
    assert found.title == "T"


@pytest.mark.parametrize(
    ("content", "kind"), [(b"  \n\t\n", "text"), (b"---\n\n***\n", "markdown"), (b"<html></html>", "html")]
)
def test_a_document_without_words_is_a_clear_error(run: Extraction, content: bytes, kind: Kind) -> None:
    with pytest.raises(ExtractError, match="no words"):
        run(content, kind)


@pytest.mark.parametrize(
    ("text", "words"),
    [("don't stop-gap it", 3), ("你好世界", 4), ("3.14 kg", 3), ("", 0), ("— … !", 0), ("naïve café", 2)],
)
def test_words_are_counted(text: str, words: int) -> None:
    assert count_words(text) == words


@pytest.mark.parametrize(
    ("content", "kind", "title"),
    [
        ("=====\nLe château\n=====\n\nTexte.", "text", "Le château"),
        ("--- Протокол ---\nтекст", "text", "Протокол"),
        ("~~~\n\n*** 議事録 ***\n\n本文です。", "text", "議事録"),
        ("# A heading\n\nText", "text", "A heading"),
        ("1\n00:00:01,000 --> 00:00:02,500\nWho is there?\n", "text", "the file"),
        ("12\nlines of no title", "text", "the file"),
        ("#!/bin/sh\necho hello", "text", "the file"),
        ("file:///home/ann/notes.txt\n\nText", "text", "the file"),
        ("---\ntitle: Of a text\n---\nwords", "text", "Of a text"),
        ("1984\n\nA novel", "text", "1984"),
        ("C#\n\nA language", "text", "C#"),
        ("---\ntitle: >-\n  Two lines\n  of a title\n---\nText", "markdown", "Two lines of a title"),
        ("---\nTitle: |\n  'Quoted' & more\ndate: 2024-05-01\n---\nText", "markdown", "'Quoted' & more"),
        ("---\ntitle: Broken: by a colon\n---\nText", "markdown", "Broken: by a colon"),
        ("---\ntitle: [a, list]\n---\n# Heading\n", "markdown", "Heading"),
        ("---\ndate: 2024-13-45\ntitle: A date that is none\n---\nText", "markdown", "A date that is none"),
        ('+++\ntitle = "Ünder TOML"\ndate = 2024-05-01\n+++\n# Heading\n', "markdown", "Ünder TOML"),
        ("+++\ntitle = 'Broken\n+++\n# Heading\n", "markdown", "Broken"),
        ("---\n\nA line, and no front matter\n\n---\n\n# Real\n", "markdown", "Real"),
        ('<h1 align="center">Tool &amp; die</h1>\n\nText\n\n## Use\n', "markdown", "Tool & die"),
        ('<div>\n<h1><img src="x.png" alt="Große Karte"></h1>\n<p>of all</p>\n</div>\n', "markdown", "Große Karte"),
        ('<h1 align="center">\n\nApart **from** its tags\n\n</h1>\n\nText', "markdown", "Apart from its tags"),
        ("# ![](logo.png)\n\n## 2. Install it\n", "markdown", "2. Install it"),
        ("<html><title>file:///C:/page.htm</title><body><div>Short text</div>", "html", "Short text"),
    ],
)
def test_a_title_is_words(run: Extraction, content: str, kind: Kind, title: str) -> None:
    assert run(content.encode(), kind, name="the_file.x").title == title


@pytest.mark.parametrize(
    "title",
    [
        "x.PDF",
        "Annual Report.docx",
        "file:///C|/a.html",
        r"C:\papers\1.tex",
        "Untitled-1",
        "Microsoft Word - a b",
        "---",
        "7",
    ],
)
def test_a_pdf_titled_by_a_file_or_a_program_takes_its_first_line(run: Extraction, title: str) -> None:
    assert run(make_pdf(["What it is about\nand text"], title=title), "pdf").title == "What it is about"


def test_front_matter_that_cannot_be_read_is_said(run: Extraction) -> None:
    assert run(b"---\ntitle: a: b\n---\nText", "markdown").text == "Text"
    assert [level for message, level in run.lines if "front matter cannot be read" in message] == ["warning"]


def test_the_words_of_an_html_heading_in_markdown_are_kept_in_their_order(run: Extraction) -> None:
    found = run(b"Before\n\n<p>One</p><h2>Two</h2><p>Three</p><!-- no --><h3>Four\n</h3>\n\nFive\n", "markdown")
    assert found.text.split() == ["Before", "One", "Two", "Three", "Four", "Five"]
