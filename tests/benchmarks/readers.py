"""How the readers of documents do on other people's test files, as JSON on stdout.

    PYTHONPATH=<project>/backend python readers.py FOLDER ...

It reads each PDF and HTML file in the folders, as the app does: in a process with bounds of its own. Of these it counts
what was `read`, what was read with a warning (`warned`), and what was `refused` with a reason. A parser that failed,
died or did not end is `crashed`. `garbage` has the files in whose text one character of a hundred or more has no
meaning (U+FFFD, private use, controls), with no warning. `agreement` is the share of the characters of pdfium's own
text, over all PDFs that were read, that ours has too. It exits with 1 where there is a crash or such a file, or where
they agree in less than 0.98.

The files are not here. Those that were meant: `git clone --depth 1` of github.com/mozilla/pdf.js (test/pdfs),
github.com/pdfminer/pdfminer.six (samples) and github.com/adbar/trafilatura (tests).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import tempfile
import unicodedata
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pypdfium2
from app.ingest.extractor import Extractor
from app.ingest.identify import Kind
from app.jobs import JobError
from app.processes import Processes

KINDS: dict[str, Kind] = {".pdf": "pdf", ".htm": "html", ".html": "html"}
AGREEMENT, GARBAGE = 0.98, 0.01
# What the app adds to a page, or leaves out: blanks, hyphens at the end of lines, compatibility forms.
IGNORED = frozenset("-\xad\ufffe\x02‐")


def letters(text: str) -> Counter[str]:
    """How often a text has each character, in one form, without blanks and what has no meaning."""
    plain = unicodedata.normalize("NFKC", text)
    return Counter(each for each in plain if each not in IGNORED and each.isprintable() and not each.isspace())


def garbage(text: str) -> float:
    """The share of characters without a meaning."""
    lost = sum(each == "\ufffd" or (unicodedata.category(each) in ("Cc", "Co") and each not in "\n\t") for each in text)
    return lost / max(len(text), 1)


def by_pdfium(path: Path) -> str:
    """Its text of all pages that it can load; empty where it cannot open the file as it is."""
    texts = []
    try:
        document = pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError:
        return ""
    for number in range(len(document)):
        with contextlib.suppress(pypdfium2.PdfiumError):
            texts.append(document[number].get_textpage().get_text_range())
    document.close()
    return "\n".join(texts)


def heard(lines: list[str], _message: str, level: str) -> None:
    lines.append(level)


async def measure(folders: list[Path]) -> dict[str, Any]:
    found: dict[str, Any] = {"files": 0, "read": 0, "warned": 0, "refused": 0, "crashed": {}, "garbage": {}}
    same = of_pdfium = 0
    least: list[tuple[float, str]] = []
    extractor = Extractor(Processes())
    with tempfile.TemporaryDirectory() as made:
        text_path = Path(made) / "text"
        for path in sorted(each for folder in folders for each in folder.rglob("*") if each.is_file()):
            kind = KINDS.get(path.suffix.lower())
            if kind is None:
                continue
            found["files"] += 1
            lines: list[str] = []
            try:
                await extractor.extract(
                    path, kind, name=path.name, charset=None, text_path=text_path, log=partial(heard, lines)
                )
            except JobError as error:
                if str(error).startswith("The parser of this") or "was stopped:" in str(error):
                    found["crashed"][str(path)] = str(error)
                else:
                    found["refused"] += 1
                continue
            text = text_path.read_text()
            warned = "warning" in lines
            found["read"] += 1
            found["warned"] += warned
            if garbage(text) >= GARBAGE and not warned:
                found["garbage"][str(path)] = garbage(text)
            if kind == "pdf" and (theirs := letters(by_pdfium(path))):
                both = (letters(text) & theirs).total()
                same, of_pdfium = same + both, of_pdfium + theirs.total()
                least.append((both / theirs.total(), str(path)))
    found["agreement"] = same / of_pdfium if of_pdfium else 1.0
    found["least"] = sorted(least)[:10]
    return found


if __name__ == "__main__":
    result = asyncio.run(measure([Path(each) for each in sys.argv[1:]]))
    print(json.dumps(result, ensure_ascii=False, indent=2))
    if not result["files"]:
        sys.exit("no PDF or HTML file there")
    if result["crashed"] or result["garbage"] or result["agreement"] < AGREEMENT:
        sys.exit(1)
