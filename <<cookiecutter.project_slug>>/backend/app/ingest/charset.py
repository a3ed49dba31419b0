"""The text of some bytes: which charset they are in."""

from __future__ import annotations

import codecs
import re

from app.ingest.readers.common import Log
from app.wording import clip, count

__all__ = ["decode"]


def decode(data: bytes, charset: str | None, log: Log, *, html: bool) -> str:
    for bom, codec in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
        (codecs.BOM_UTF32_BE, "utf-32"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if data.startswith(bom):
            return _decoded(data, codec, "its byte order mark", log)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        bad = error
    else:
        label = "ASCII" if data.isascii() else "UTF-8"
        log(f"Read as {label}: {count(len(text), 'character')}", "info")
        return text
    # Valid UTF-8 is UTF-8 whatever is declared; only what is not is believed to be something else.
    declared = charset
    if html and not declared:
        match = re.search(rb"<meta[^>]+charset\s*=\s*[\"']?\s*([\w-]+)", data[:4096], re.IGNORECASE)
        declared = match[1].decode("ascii") if match else None
    if declared:
        try:
            if codecs.lookup(declared).name != "utf-8":
                return _decoded(data, declared, "as it declares", log)
            log(f"It says UTF-8 but is not: byte {data[bad.start]:#04x} at {bad.start:,}", "warning")
        except (LookupError, UnicodeError):  # no codec of that name, or one that is not for whole texts
            log(f"It declares the charset {clip(declared, 40)}, which does not exist", "warning")
    from charset_normalizer import from_bytes

    best = from_bytes(data[:500_000]).best()
    if best is not None:
        return _decoded(data, best.encoding, "guessed from its bytes", log)
    return _decoded(data, "cp1252", "the last resort", log)


def _decoded(data: bytes, codec: str, why: str, log: Log) -> str:
    text = data.decode(codec, "replace")
    lost = text.count("�")
    log(f"Read as {codec.removesuffix('-sig').upper()} ({why}): {count(len(text), 'character')}", "info")
    if lost:
        log(f"{count(lost, 'character')} could not be decoded and became “�”", "warning")
    return text
