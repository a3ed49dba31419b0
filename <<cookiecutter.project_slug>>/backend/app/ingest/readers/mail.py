"""Mails (EML), and web pages that a browser saved as one file (MHTML): both are MIME."""

from __future__ import annotations

from email import message_from_binary_file, policy
from email.message import EmailMessage
from pathlib import Path

from app.ingest.charset import decode
from app.ingest.readers.common import MAX_WARNINGS, ExtractError, Log, brief, count_words
from app.ingest.readers.html import html
from app.wording import clip, count

__all__ = ["mail", "mhtml"]

_SHOWN = ("From", "To", "Cc", "Date", "Subject")


def mail(path: Path, log: Log) -> tuple[list[str], str]:
    """A mail: its subject, and who wrote it to whom, above its text. Attachments are named and left out.

    Raises:
        ExtractError: it holds no text.
    """
    message = _parsed(path, log)
    headers = {name: value for name in _SHOWN if (value := _header(message, name, log))}
    plain, page = (_part(message, kind) for kind in ("plain", "html"))
    text = _decoded(plain, log, html=False) if plain else ""
    if page and (not plain or count_words(text) < 20):
        _, from_page = html(_decoded(page, log, html=True), log)
        text = from_page if count_words(from_page) > count_words(text) else text
    if not text.strip():
        raise ExtractError("This mail holds no text: give its attachments by themselves.")
    _name_attachments(message, log)
    head = "\n".join(f"{name}: {value}" for name, value in headers.items())
    return [headers.get("Subject", "")], f"{head}\n\n{text}"


def mhtml(path: Path, log: Log) -> tuple[list[str], str]:
    """A saved page; what it loads (pictures, styles) is passed over.

    Raises:
        ExtractError: it holds no page.
    """
    message = _parsed(path, log)
    page = _part(message, "html")
    if page is None:
        raise ExtractError("This saved page (MHTML) holds no HTML: save it again as HTML.")
    titles, text = html(_decoded(page, log, html=True), log)
    return [*titles, _header(message, "Subject", log)], text


def _parsed(path: Path, log: Log) -> EmailMessage:
    with path.open("rb") as file:
        message = message_from_binary_file(file, policy=policy.default)
    defects = [type(defect).__name__ for part in message.walk() for defect in part.defects]
    if defects:
        log(f"It is damaged ({', '.join(defects[:MAX_WARNINGS])}): read as far as it goes", "warning")
    return message


def _header(message: EmailMessage, name: str, log: Log) -> str:
    try:
        return " ".join(str(message[name] or "").split())
    except Exception as error:  # the parser of headers raises almost anything for a broken one
        log(f"The header {name} cannot be read ({brief(error)})", "warning")
        return ""


def _part(message: EmailMessage, subtype: str) -> EmailMessage | None:
    for part in message.walk():
        attached = part.get_content_disposition() == "attachment"
        if part.get_content_type() == f"text/{subtype}" and not attached:
            return part
    return None


def _decoded(part: EmailMessage, log: Log, *, html: bool) -> str:
    data = part.get_payload(decode=True)
    return decode(data if isinstance(data, bytes) else b"", part.get_content_charset(), log, html=html)


def _name_attachments(message: EmailMessage, log: Log) -> None:
    attached = [part for part in message.walk() if part.get_content_disposition() == "attachment"]
    if attached:
        names = ", ".join(clip(part.get_filename() or part.get_content_type(), 60) for part in attached[:MAX_WARNINGS])
        more = len(attached) - MAX_WARNINGS
        also = f" and {more:,} more" if more > 0 else ""
        log(f"{count(len(attached), 'attached file')} left out: {names}{also}. Ingest what you need", "warning")
