"""What is done apart from the server with what arrives: it is a stranger's input to large parsers.

Each function is called by a process that `app.ingest.extractor` has asked for; what it gives goes through JSON. The
files that it reads and writes are the server's.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from app.ingest.channel import read_channel, refuse_markup
from app.ingest.charset import decode
from app.ingest.extract import ExtractError, Log, extract
from app.ingest.identify import Kind
from app.ingest.readers.html import redirect_of
from app.terms import pack_terms
from app.wording import beginning

__all__ = ["make_terms", "read_document", "read_feed"]


def read_document(
    path: str, kind: Kind, name: str, charset: str | None, follow: bool, text_path: str, log: Log
) -> dict[str, Any]:
    """Puts the text of a document into one file, and its terms into another beside that; gives its title and length.
    Of a page that leads on to another at once it gives where to, if that is to be told (`follow`)."""
    if kind == "text":
        refuse_markup(Path(path).read_bytes(), charset, name)
    if kind == "html" and follow:
        to = redirect_of(decode(Path(path).read_bytes(), charset, lambda *_: None, html=True))
        if to is not None:
            return {"redirect": to}
    found = extract(Path(path), kind, name=name, charset=charset, log=_short(log))
    _save(text_path, found.text.encode())
    _save(Path(text_path).with_suffix(".terms"), pack_terms(found.text))
    return {"title": found.title, "words": found.words, "characters": len(found.text)}


def read_feed(path: str, url: str, base: str, charset: str | None, media_type: str, text_path: str, log: Log) -> bool:
    """Puts the items of a feed or a sitemap into a file, as lines of JSON; gives whether the file is either."""
    data = Path(path).read_bytes()
    found = read_channel(data, url, base=base, charset=charset, media_type=media_type, log=_short(log))
    if found is not None:
        _save(text_path, "\n".join(found.to_lines()).encode())
    return found is not None


def make_terms(path: str, terms_path: str) -> None:
    """Puts the terms of each text of a list in JSON into a file, as such a list."""
    texts = json.loads(Path(path).read_bytes())
    _save(terms_path, json.dumps([base64.b64encode(pack_terms(text)).decode() for text in texts]).encode())


def _short(log: Log) -> Log:
    return lambda message, level: log(beginning(message, 1000), level)


def _save(path: str | Path, data: bytes) -> None:
    try:
        Path(path).write_bytes(data)
    except OSError as error:
        raise ExtractError(f"What was read cannot be kept ({error.strerror}): make room in DATA_DIR.") from error
