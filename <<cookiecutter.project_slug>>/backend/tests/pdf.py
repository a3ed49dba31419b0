"""Writes small PDF files, so that the tests need no tool and no binary in the repository."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Sequence


def make_pdf(pages: Sequence[str], *, title: str = "", packed: bool = False, password: str | None = None) -> bytes:
    """A PDF with one page for each text, a line of the page for each of its lines; no text, no content.

    `packed`: whether the pages are compressed. `password`: what it is encrypted for; it may be empty.
    """
    objects: list[bytes] = [
        b"{/Type/Catalog/Pages 2 0 R}",
        b"",
        b"{/Type/Font/Subtype/Type1/BaseFont/Helvetica}",
    ]
    kids = []
    key = b"" if password is None else _key(password)
    for text in pages:
        lines = " T* ".join(f"({_escape(line)}) Tj" for line in text.splitlines())
        content = f"BT /F1 12 Tf 14 TL 72 720 Td {lines} ET".encode("latin-1") if text else b""
        packing = b"/Filter/FlateDecode" if packed else b""
        content = zlib.compress(content) if packed else content
        if key:
            number = len(objects) + 1
            content = _rc4(hashlib.md5(key + number.to_bytes(3, "little") + bytes(2)).digest()[:10], content)
        objects.append(stream(content, packing))
        objects.append(
            b"{/Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents %d 0 R" % len(objects)
            + b"/Resources{/Font{/F1 3 0 R}}}"
        )  # fmt: skip
        kids.append(b"%d 0 R" % len(objects))
    objects[1] = b"{/Type/Pages/Count %d/Kids[%s]}" % (len(kids), b" ".join(kids))
    facts = b"/Title(%s)/Producer(the tests)" % _escape(title).encode("latin-1")
    objects.append(b"{%s}" % (facts if password is None else b""))  # strings are encrypted, too
    trailer = b"/Info %d 0 R" % len(objects)
    if password is not None:
        objects.append(
            b"{/Filter/Standard/V 1/R 2/P -4/O(%s)/U(%s)}" % (_bytes(_owner(password)), _bytes(_rc4(key, _PAD)))
        )
        trailer = b"/ID[()()]/Encrypt %d 0 R" % len(objects)
    return write_pdf(objects, trailer)


def page_pdf(content: bytes, *objects: bytes, resources: bytes = b"", page: bytes = b"", catalog: bytes = b"") -> bytes:
    """A PDF with one page of this content. The first of `objects` has the number 5; the others are entries of the
    page's resources, the page and the catalog. Dictionaries are written in braces."""
    return write_pdf(
        [
            b"{/Type/Catalog/Pages 2 0 R%s}" % catalog,
            b"{/Type/Pages/Count 1/Kids[3 0 R]}",
            b"{/Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources{%s}%s}" % (resources, page),
            stream(content),
            *objects,
        ]
    )


def stream(content: bytes, entries: bytes = b"") -> bytes:
    """An object with content."""
    return b"{/Length %d%s}\nstream\n%s\nendstream" % (len(content), entries, content)


def write_pdf(objects: Sequence[bytes], trailer: bytes = b"") -> bytes:
    """A PDF of these objects, numbered from 1; the first is the catalog."""
    out = bytearray(b"%PDF-1.4\n")
    offsets = []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        head, separator, content = body.partition(b"\nstream\n")
        out += b"%d 0 obj\n%s\nendobj\n" % (number, _dictionaries(head) + separator + content)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n" + _dictionaries(b"{/Size %d/Root 1 0 R%s}\n" % (len(objects) + 1, trailer))
    return bytes(out + b"startxref\n%d\n%%%%EOF\n" % start)


def _dictionaries(text: bytes) -> bytes:
    # Spelled out, they would be delimiters of the template.
    return text.replace(b"{", b"<" * 2).replace(b"}", b">" * 2)


def _escape(text: str) -> str:
    return text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")


def _bytes(data: bytes) -> bytes:
    return b"".join(b"\\%03o" % byte for byte in data)


# The standard security handler, revision 2 (ISO 32000-1, 7.6.3).

_PAD = bytes.fromhex("28BF4E5E4E758A4164004E56FFFA01082E2E00B6D0683E802F0CA9FE6453697A")


def _owner(password: str) -> bytes:
    return _rc4(hashlib.md5((b"owner" + _PAD)[:32]).digest()[:5], (password.encode() + _PAD)[:32])


def _key(password: str) -> bytes:
    permissions = (-4).to_bytes(4, "little", signed=True)
    return hashlib.md5((password.encode() + _PAD)[:32] + _owner(password) + permissions).digest()[:5]


def _rc4(key: bytes, data: bytes) -> bytes:
    state, j = list(range(256)), 0
    for i in range(256):
        j = (j + state[i] + key[i % len(key)]) % 256
        state[i], state[j] = state[j], state[i]
    out, i, j = bytearray(), 0, 0
    for byte in data:
        i = (i + 1) % 256
        j = (j + state[i]) % 256
        state[i], state[j] = state[j], state[i]
        out.append(byte ^ state[(state[i] + state[j]) % 256])
    return bytes(out)
