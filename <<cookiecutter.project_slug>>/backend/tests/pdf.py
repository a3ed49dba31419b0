"""Writes small PDF files, so that the tests need no tool and no binary in the repository."""

from __future__ import annotations

import zlib
from collections.abc import Sequence


def make_pdf(pages: Sequence[str], *, title: str = "", packed: bool = False) -> bytes:
    """A PDF with one page for each text, a line of the page for each of its lines; no text, no content.

    `packed`: whether the pages are compressed.
    """
    objects: list[bytes] = [
        _OPEN + b"/Type/Catalog/Pages 2 0 R>>",
        b"",
        _OPEN + b"/Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    kids = []
    for text in pages:
        lines = " T* ".join(f"({_escape(line)}) Tj" for line in text.splitlines())
        content = f"BT /F1 12 Tf 14 TL 72 720 Td {lines} ET".encode("latin-1") if text else b""
        packing = b"/Filter/FlateDecode" if packed else b""
        content = zlib.compress(content) if packed else content
        objects.append(_OPEN + b"/Length %d%s>>\nstream\n%s\nendstream" % (len(content), packing, content))
        objects.append(
            _OPEN
            + b"/Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents %d 0 R" % len(objects)
            + b"/Resources" + _OPEN + b"/Font" + _OPEN + b"/F1 3 0 R>>>>>>"
        )  # fmt: skip
        kids.append(b"%d 0 R" % len(objects))
    objects[1] = _OPEN + b"/Type/Pages/Count %d/Kids[%s]>>" % (len(kids), b" ".join(kids))
    objects.append(_OPEN + b"/Title(%s)/Producer(the tests)>>" % _escape(title).encode("latin-1"))
    out = bytearray(b"%PDF-1.4\n")
    offsets = []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n" + _OPEN + b"/Size %d/Root 1 0 R/Info %d 0 R>>\n" % (len(objects) + 1, len(objects))
    return bytes(out + b"startxref\n%d\n%%%%EOF\n" % start)


_OPEN = b"<" * 2  # spelled out, it would be a delimiter of the template


def _escape(text: str) -> str:
    return text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
