"""Markdown, and what others turn into it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from app.ingest.readers.common import Log, batches, count_words, span
from app.wording import clip, count

__all__ = ["FRONT_MATTER", "log_sections", "markdown", "sections"]

FRONT_MATTER = re.compile(r"---[ \t]*\r?\n(.*?)\r?\n(?:---|\.\.\.)[ \t]*(?:\r?\n|$)", re.DOTALL)


def markdown(source: str, log: Log) -> tuple[str, str]:
    source, title = _front_matter(source, log)
    found = list(sections(source))
    if not title:
        title = next((heading for level, heading, _ in found if level == 1), "") or next(
            (heading for _, heading, _ in found if heading), ""
        )
    log_sections(found, log)
    parts = (part for _, heading, body in found for part in (heading, body) if part)
    return title, "\n\n".join(parts)


def _front_matter(source: str, log: Log) -> tuple[str, str]:
    match = FRONT_MATTER.match(source)
    if match is None:
        return source, ""
    fields = re.findall(r"^([A-Za-z][\w-]*):", match[1], re.MULTILINE)
    log(f"Front matter: {', '.join(fields[:8]) or 'empty'}", "info")
    title = re.search(r"^title:[ \t]*(.+)$", match[1], re.MULTILINE | re.IGNORECASE)
    return source[match.end() :], title[1].strip().strip("\"'") if title else ""


def sections(source: str) -> Iterator[tuple[int, str, str]]:
    """Level, heading and text of each section; level 0 for what stands before the first heading."""
    from markdown_it import MarkdownIt

    level, heading, body = 0, "", list[str]()
    in_heading = False
    row: list[str] | None = None
    for token in MarkdownIt("commonmark").enable("table").parse(source):
        if token.type == "heading_open":
            if heading or body:
                yield level, heading, "\n\n".join(body)
            level, heading, body = int(token.tag[1:]), "", []
            in_heading = True
        elif token.type == "heading_close":
            in_heading = False
        elif token.type == "inline":
            text = "".join(_inline(token.children or []))
            if in_heading:
                heading = text.strip()
            elif row is not None:
                row.append(text)
            elif text.strip():
                body.append(text)
        elif token.type == "tr_open":
            row = []
        elif token.type == "tr_close":
            body.append(" | ".join(row or []))
            row = None
        elif token.type in ("fence", "code_block") and token.content.strip():
            body.append(token.content.rstrip())
        elif token.type == "html_block":
            text = re.sub(r"<!--.*?-->|<[^>]*>", " ", token.content, flags=re.DOTALL).strip()
            if text:
                body.append(text)
    if heading or body:
        yield level, heading, "\n\n".join(body)


def _inline(tokens: list[Any]) -> Iterator[str]:
    for token in tokens:
        if token.type in ("text", "code_inline"):
            yield token.content
        elif token.type in ("softbreak", "hardbreak"):
            yield "\n"
        elif token.type == "image":
            yield "".join(_inline(token.children or []))


def log_sections(found: list[tuple[int, str, str]], log: Log) -> None:
    for first, last, batch in batches(found):
        words = sum(count_words(f"{heading} {body}") for _, heading, body in batch)
        if len(batch) > 1:
            log(f"{span('Section', first, last, len(found))}: {count(words, 'word')}", "info")
        else:
            heading = batch[0][1]
            what = f"Section {clip(heading, 60)}" if heading else "Before the first heading"
            log(f"{what}: {count(words, 'word')}", "info")
