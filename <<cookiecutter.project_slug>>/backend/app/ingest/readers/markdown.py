"""Markdown, and what others turn into it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from datetime import date
from html import unescape
from typing import Any

from app.ingest.readers.common import Log, as_title, batches, brief, count_words, span
from app.wording import clip, count

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["FRONT_MATTER", "front_matter", "log_sections", "markdown", "sections"]

FRONT_MATTER = re.compile(r"(---|\+\+\+)[ \t]*\r?\n(.*?)\r?\n(?:\1|\.\.\.)[ \t]*(?:\r?\n|$)", re.DOTALL)
_FIELD = re.compile(r"^[\w\"'-]+[ \t]*[:=]", re.MULTILINE)
_TITLE_FIELD = re.compile(r"^title[ \t]*[:=][ \t]*(.+)$", re.MULTILINE | re.IGNORECASE)
_HTML_HEADING = re.compile(r"<h([1-6])\b[^>]*>(?:(.{0,2000}?)</h\1\s*>)?", re.DOTALL | re.IGNORECASE)
_PICTURE = re.compile(r"""<img\b[^>]{0,1000}?\balt\s*=\s*(?:"([^">]*)"|'([^'>]*)')""", re.IGNORECASE)


def markdown(source: str, log: Log) -> tuple[list[str], str]:
    source, title = front_matter(source, log)
    found = list(sections(source))
    headings = [heading for _, heading, _ in sorted(found, key=lambda section: section[0] != 1)]
    log_sections(found, log)
    parts = (part for _, heading, body in found for part in (heading, body) if part)
    return [title, *headings], "\n\n".join(parts)


def front_matter(source: str, log: Log) -> tuple[str, str]:
    """What stands behind the front matter (YAML between `---`, TOML between `+++`), and the title in it.

    All the text where it begins with none.
    """
    match = FRONT_MATTER.match(source)
    if match is None or not _FIELD.match(match[2].lstrip()):
        return source, ""
    import yaml

    try:
        fields = tomllib.loads(match[2]) if match[1] == "+++" else yaml.safe_load(match[2])
    # tomllib's errors are ValueErrors, as are dates that do not exist; what is nested too deep is a RecursionError.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        log(f"The front matter cannot be read ({brief(error)}): it is left out", "warning")
        title = _TITLE_FIELD.search(match[2])
        return source[match.end() :], as_title(title[1].strip().strip("\"'")) if title else ""
    if not isinstance(fields, dict):
        return source, ""
    log(f"Front matter: {', '.join(str(name) for name in list(fields)[:8]) or 'empty'}", "info")
    given = next((value for name, value in fields.items() if str(name).lower() == "title"), "")
    return source[match.end() :], as_title(str(given)) if isinstance(given, str | int | float | date) else ""


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
        elif token.type == "inline":
            text = "".join(_inline(token.children or []))
            if in_heading:
                heading = text.strip()
                in_heading = False
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
            content, end = token.content, 0
            for tag in _HTML_HEADING.finditer(content):
                if before := _text_of(content[end : tag.start()]):
                    body.append(before)
                if heading or body:
                    yield level, heading, "\n\n".join(body)
                level, heading, body = int(tag[1]), " ".join(_text_of(tag[2] or "").split()), []
                in_heading, end = tag[2] is None, tag.end()
            if text := _text_of(content[end:]):
                body.append(text)
    if heading or body:
        yield level, heading, "\n\n".join(body)


def _text_of(source: str) -> str:
    """The text of some HTML; that of its pictures where there is no other."""
    text = source
    for tag, end in ((r"<!--.*?-->", "-->"), (r"<[^>]*>", ">")):
        last = text.rfind(end) + len(end) if end in text else 0  # behind it no tag ends: none is looked for
        text = re.sub(tag, " ", text[:last], flags=re.DOTALL) + text[last:]
    return unescape(text).strip() or unescape(" ".join(map("".join, _PICTURE.findall(source)))).strip()


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
