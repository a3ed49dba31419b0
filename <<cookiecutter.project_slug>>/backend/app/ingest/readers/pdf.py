"""PDF, by pdfium."""

from __future__ import annotations

import ctypes
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import dropwhile, islice, takewhile
from pathlib import Path
from statistics import median
from typing import Any

from app.ingest.readers.common import (
    MAX_CHARACTERS,
    MAX_WARNINGS,
    ExtractError,
    Log,
    batches,
    brief,
    count_words,
    first_line,
    span,
    tell_left_out,
)  # fmt: skip
from app.wording import clip, count

__all__ = ["pdf"]

_RECOGNIZE = "Run text recognition on it first (ocrmypdf --force-ocr does that) and try again."
_HYPHEN = "\x02"  # pdfium's mark of a word that is broken at a line's end
_PRIVATE = re.compile("[\ue000-\uf8ff\U000f0000-\U0010ffff]")
# What word processors begin the entries of a list with, of the fonts Symbol and Wingdings.
_BULLETS = str.maketrans(dict.fromkeys("\uf0b7\uf0a7\uf0a8\uf0d8\uf076\uf06e\uf06c\uf071\uf0fc\uf0e0", "•"))
# Letters that glyphs' numbers are taken for, and that no text has so many of: rare Latin letters (but ƒ, ș and ț) and
# scripts from Syriac to the later parts of Arabic, from Limbu to phonetic signs, and from Yi to Meetei.
_RARE = re.compile("[\u0180-\u0191\u0193-\u0217\u021c-\u02b8\u0700-\u08ff\u1900-\u1dff\ua000-\uabff]")
_MAX_OBJECTS = 10_000
"""Of a page, so many are looked at to tell a picture from a drawing."""


@dataclass
class _Found:
    """What the pages hold, beside their text."""

    texts: list[str] = field(default_factory=list)
    entries: dict[str, str] = field(default_factory=dict)
    """The lines that form fields and notes make, each once, by which of the two they are."""
    attachments: list[str] = field(default_factory=list)
    empty: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """How many pages have no text, by what they have in place of it."""
    damaged: bool = False
    unreadable: int = 0
    lost: int = 0
    """How many characters have no meaning."""
    signs: int = 0
    """The same on pages that have few of them: bullets, icons and logos."""
    lost_on: list[int] = field(default_factory=list)
    large: str = ""
    """What the first page has in its largest letters."""


def pdf(path: Path, log: Log) -> tuple[list[str], str]:
    """The titles that it might have, best first, and its text: page after page, each with its filled fields and notes.

    Raises:
        ExtractError: it wants a password, is damaged beyond reading, or holds no text.
    """
    document, damaged = _open(path, log)
    found, total = _Found(damaged=damaged), len(document)
    found.attachments += _attachments(document)
    length = 0
    for first, last, numbers in batches(range(total)):
        words = 0
        for number in numbers:
            text = _page(document, number, found, log)
            length += len(text)
            if length > MAX_CHARACTERS:
                raise ExtractError(f"The text of this PDF is longer than {MAX_CHARACTERS:,} characters: split it.")
            words += count_words(text)
            found.texts.append(text)
        log(f"{span('Page', first, last, total)}: {count(words, 'word')}", "info")
    _report(found, total, log)
    return [document.get_metadata_value("Title"), first_line(found.large)], "\n\n".join(found.texts)


def _open(path: Path, log: Log) -> tuple[Any, bool]:
    """The document, and whether it is damaged."""
    import pypdfium2
    import pypdfium2.raw as c

    try:
        document = pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        if error.err_code == c.FPDF_ERR_PASSWORD:
            raise ExtractError(
                "This PDF is encrypted and wants a password: remove the password (print it to a new PDF, "
                "for instance) and try again."
            ) from error
        if error.err_code == c.FPDF_ERR_SECURITY:
            raise ExtractError(
                "This PDF is encrypted in a way that cannot be opened: save it anew without protection and try again."
            ) from error
        try:
            document = pypdfium2.PdfDocument(_with_a_new_trailer(path.read_bytes()))
        except pypdfium2.PdfiumError:
            raise ExtractError(
                f"This PDF is damaged ({brief(error)}): export it again, or repair it with a tool such as qpdf."
            ) from error
    log(f"Opened the PDF: {count(len(document), 'page')}, {_facts(document)}", "info")
    if c.FPDF_GetSecurityHandlerRevision(document) != -1:
        log("The PDF is encrypted, but opens without a password", "info")
    damaged = not c.FPDF_DocumentHasValidCrossReferenceTable(document)
    if damaged:
        log("The PDF is damaged (its list of objects is cut off or wrong): read as far as it goes", "warning")
    form = document.get_formtype()
    if form in (c.FORMTYPE_XFA_FULL, c.FORMTYPE_XFA_FOREGROUND):
        log("The PDF is an XFA form, of which only the plain pages can be read: print it to a new PDF", "warning")
    if form != c.FORMTYPE_NONE:
        document.init_forms(c.FPDF_FORMFILLINFO(version=2))
    return document, damaged


def _with_a_new_trailer(data: bytes) -> bytes:
    """A file that was cut off lacks its trailer, and often its catalog: the same with a catalog of the pages there are.

    Page objects inside of compressed object streams are not found.
    """
    pages = list[bytes]()
    for match in re.finditer(rb"/Type\s*/Page(?![A-Za-z])", data):
        head = re.search(
            rb"(\d+\s+\d+)\s+obj(?:(?!endobj).)*$", data[max(0, match.start() - 2_000) : match.start()], re.S
        )
        if head is not None:
            pages.append(head[1] + b" R")
    catalog, tree = (b"%d 0" % (data.count(b" obj") + number) for number in (10_001, 10_002))
    new = (
        b"\nendstream endobj\n%s obj {/Type/Catalog/Pages %s R} endobj\n%s obj {/Type/Pages/Count %d/Kids[%s]} endobj\n"
    )
    new += b"trailer {/Root %s R}"
    new %= (catalog, tree, tree, len(pages), b" ".join(pages), catalog)
    return data + new.replace(b"{", b"<" * 2).replace(b"}", b">" * 2) + b"\nstartxref\n0\n%%EOF\n"


def _attachments(document: Any) -> Iterator[str]:
    import pypdfium2.raw as c

    for index in range(document.count_attachments()):
        yield _string(c.FPDFAttachment_GetName, c.FPDFDoc_GetAttachment(document, index)) or "unnamed"


def _facts(document: Any) -> str:
    version = document.get_version() or 0
    facts = [f"version {version // 10}.{version % 10}"]
    if producer := document.get_metadata_value("Producer"):
        facts.append(f"made by {clip(producer, 40)}")
    if date := re.match(r"D:(\d{4})(\d\d)(\d\d)", document.get_metadata_value("CreationDate")):
        facts.append("on " + "-".join(date.groups()))
    return ", ".join(facts)


def _page(document: Any, number: int, found: _Found, log: Log) -> str:
    from pypdfium2 import PdfiumError

    try:
        page = document[number]
        text_page = page.get_textpage()
    except PdfiumError as error:
        found.unreadable += 1
        if found.unreadable <= MAX_WARNINGS:
            log(f"Page {number + 1} is damaged and left out ({brief(error)})", "warning")
        return ""
    try:
        text, lost, signs = _text(text_page)
        found.signs += signs
        if number == 0 and not lost:
            found.large = _largest(text_page)
        if lost:
            found.lost += lost
            found.lost_on.append(number + 1)
        lines = [line for line in _entries(document, page, found) if line]
        if not text.strip() and not lines:
            found.empty["letters" if lost else _instead_of_text(page)] += 1
    finally:
        page.close()  # and the text page with it
    return "\n\n".join(part for part in (text, "\n".join(lines)) if part)


def _text(text_page: Any) -> tuple[str, int, int]:
    """A page's text, how many of its characters have no meaning and were left out, and how many of few signs.

    Where a font does not say which letters its glyphs are, pdfium takes the glyphs' numbers for letters. That is right
    for some fonts; where some of the numbers are no letters (controls, unassigned) or letters that hardly any text has,
    the others are wrong too.
    """
    import pypdfium2.raw as c

    raw, every = text_page.raw, range(text_page.count_chars())
    # The raw handle: these two are called for each character.
    codes = [c.FPDFText_GetUnicode(raw, index) for index in every]
    guessed = {index for index in every if c.FPDFText_HasUnicodeMapError(raw, index) == 1}
    fonts: dict[bytes, list[int]] = defaultdict(list)
    name, flags = ctypes.create_string_buffer(128), ctypes.c_int()
    for index in every if guessed else ():
        if not c.FPDFText_IsGenerated(raw, index):
            c.FPDFText_GetFontInfo(raw, index, name, len(name), flags)
            fonts[name.value].append(index)
    lost = 0
    for indexes in fonts.values():
        guesses = {index: chr(min(codes[index], 0x10FFFF)) for index in indexes if index in guessed}
        wrong = [index for index, char in guesses.items() if unicodedata.category(char) in ("Cc", "Cn", "Co", "Cs")]
        rare = sum(_RARE.match(char) is not None for char in guesses.values())
        if (len(wrong) + rare) * 20 > len(guesses):
            # A few others of the same font are guesses too: of letters from right to left pdfium does not tell it.
            wrong = indexes if len(indexes) < 1.2 * len(guesses) else [*guesses]
        lost += len(wrong)
        for index in wrong:
            codes[index] = 0
    text = "".join(map(chr, codes)).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    text = text.translate(_BULLETS)
    signs, length = len(_PRIVATE.findall(text)), len(text)
    if signs * 20 > length:
        lost, signs = lost + signs, 0
    text = _PRIVATE.sub("", text).replace("\0", "").replace(_HYPHEN, "-\n").replace("\r\n", "\n").strip()
    return text, lost, signs


def _largest(text_page: Any) -> str:
    """The lines in letters larger than most others, of a page's first 3,000 characters; empty if there are none."""
    import pypdfium2.raw as c

    line, height, lines = "", 0.0, list[tuple[float, str]]()
    box = c.FS_RECTF()
    for index in range(min(text_page.count_chars(), 3_000)):
        char = chr(min(c.FPDFText_GetUnicode(text_page, index), 0x10FFFF))
        if char in "\r\n" or char == _HYPHEN:
            if line.strip():
                lines.append((height, line.strip()))
            line, height = "", 0.0
        else:
            c.FPDFText_GetLooseCharBox(text_page, index, box)
            line, height = line + char, max(height, abs(box.top - box.bottom))
    if line.strip():
        lines.append((height, line.strip()))
    top = max((height for height, _ in lines), default=0.0)
    if len(lines) < 2 or top < 1.15 * median(height for height, _ in lines):
        return ""
    large = dropwhile(lambda each: each[0] < 0.95 * top, lines)
    return " ".join(text for _, text in takewhile(lambda each: each[0] >= 0.95 * top, large))


def _entries(document: Any, page: Any, found: _Found) -> Iterator[str]:
    """A line for each form field that is filled in and for each note, which are no part of a page's own text."""
    import pypdfium2.raw as c

    apart = (c.FPDF_ANNOT_LINK, c.FPDF_ANNOT_POPUP)
    for index in range(c.FPDFPage_GetAnnotCount(page)):
        note = c.FPDFPage_GetAnnot(page, index)
        if not note:
            continue
        kind = c.FPDFAnnot_GetSubtype(note)
        if kind == c.FPDF_ANNOT_WIDGET:
            what, line = "field", _field(document.formenv, note) if document.formenv else ""
        elif kind in apart:
            what, line = "", ""
        else:
            said = _string(c.FPDFAnnot_GetStringValue, note, b"Contents").strip()
            author = _string(c.FPDFAnnot_GetStringValue, note, b"T").strip()
            what, line = "note", f"{author}: {said}" if author and said else said
        if kind == c.FPDF_ANNOT_FILEATTACHMENT and (attached := c.FPDFAnnot_GetFileAttachment(note)):
            found.attachments.append(_string(c.FPDFAttachment_GetName, attached))
        c.FPDFPage_CloseAnnot(note)
        if line and line not in found.entries:
            found.entries[line] = what
            yield line


def _field(form: Any, widget: Any) -> str:
    import pypdfium2.raw as c

    kind = c.FPDFAnnot_GetFormFieldType(form, widget)
    if kind in (c.FPDF_FORMFIELD_CHECKBOX, c.FPDF_FORMFIELD_RADIOBUTTON):
        value = (
            _string(c.FPDFAnnot_GetFormFieldExportValue, form, widget) if c.FPDFAnnot_IsChecked(form, widget) else ""
        )
    elif kind in (c.FPDF_FORMFIELD_TEXTFIELD, c.FPDF_FORMFIELD_COMBOBOX, c.FPDF_FORMFIELD_LISTBOX):
        options = range(c.FPDFAnnot_GetOptionCount(form, widget))  # none in a text field
        chosen = [each for each in options if c.FPDFAnnot_IsOptionSelected(form, widget, each)]
        # What is shown of an option, not what it is sent as.
        shown = ", ".join(_string(c.FPDFAnnot_GetOptionLabel, form, widget, each) for each in chosen)
        value = (shown or _string(c.FPDFAnnot_GetFormFieldValue, form, widget)).strip()
    else:  # a button, a signature
        value = ""
    name = _string(c.FPDFAnnot_GetFormFieldAlternateName, form, widget) or _string(
        c.FPDFAnnot_GetFormFieldName, form, widget
    )
    return f"{name}: {value}" if value and name else value


def _string(get: Callable[..., int], *of: Any) -> str:
    """A string that pdfium gives as UTF-16 with a zero at its end, asked for its length in bytes first."""
    length = get(*of, None, 0)
    buffer = (ctypes.c_ushort * (length // 2 + 1))()
    get(*of, buffer, length)
    return bytes(buffer)[: max(length - 2, 0)].decode("utf-16-le", "replace")


def _instead_of_text(page: Any) -> str:
    import pypdfium2.raw as c

    kinds = {each.type for each in islice(page.get_objects(max_depth=5), _MAX_OBJECTS)}
    if c.FPDF_PAGEOBJ_IMAGE in kinds:
        return "pictures"
    return "drawings" if kinds & {c.FPDF_PAGEOBJ_PATH, c.FPDF_PAGEOBJ_SHADING} else "nothing"


def _report(found: _Found, total: int, log: Log) -> None:
    """Says what was taken in beside the pages' text, and what was left out.

    Raises:
        ExtractError: there is no text.
    """
    if found.unreadable > MAX_WARNINGS:
        log(f"{count(found.unreadable - MAX_WARNINGS, 'more page')} damaged and left out", "warning")
    if not any(found.texts):
        raise ExtractError(_no_text(found))
    if found.lost:
        log(
            f"{count(found.lost, 'character')} left out on page {_numbers(found.lost_on)}: the fonts do not say which "
            "letters they are. Text recognition may read them (ocrmypdf --force-ocr)",
            "warning",
        )
    if found.signs:
        log(f"{count(found.signs, 'sign')} left out that only the fonts of this PDF know: icons or logos", "info")
    if found.empty["pictures"]:
        log(f"{count(found.empty['pictures'], 'page')} of {total:,} without text, only pictures: scans?", "warning")
    if found.empty["drawings"]:
        log(f"{count(found.empty['drawings'], 'page')} of {total:,} without text, only drawings", "warning")
    if found.empty["nothing"]:
        log(f"{count(found.empty['nothing'], 'page')} of {total:,} blank", "info")
    kinds = list(found.entries.values())
    if kinds:
        fields, notes = count(kinds.count("field"), "form field"), count(kinds.count("note"), "note")
        log(f"Taken in behind the text of their pages: {fields}, {notes}", "info")
    tell_left_out(found.attachments, log)


def _no_text(found: _Found) -> str:
    if found.empty["letters"]:
        return f"The text of this PDF cannot be read: its fonts do not say which letters their glyphs are. {_RECOGNIZE}"
    if found.empty["pictures"]:
        return f"The pages of this PDF hold pictures and no text: it is probably a scan. {_RECOGNIZE}"
    if found.empty["drawings"]:
        return f"The pages of this PDF hold drawings and no text; letters may be drawn, too. {_RECOGNIZE}"
    if found.unreadable or found.damaged:
        return "No page of this PDF can be read, it is damaged: export it again, or repair it with a tool such as qpdf."
    return "The pages of this PDF are blank: nothing to store. Export it again."


def _numbers(pages: list[int]) -> str:
    shown = ", ".join(f"{page:,}" for page in pages[:MAX_WARNINGS])
    return shown + (f" and {len(pages) - MAX_WARNINGS:,} more" if len(pages) > MAX_WARNINGS else "")
