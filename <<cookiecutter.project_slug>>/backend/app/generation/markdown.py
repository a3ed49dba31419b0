"""Markdown, as far as generation reads and writes it."""

from __future__ import annotations

import re
from collections.abc import Callable

import mdformat
from markdown_it import MarkdownIt

__all__ = ["find_links", "format_markdown", "without_links"]

# A model may put its whole answer into a code block.
_FENCED = re.compile(r"\A\s*```(?:markdown|md)?[ \t]*\n(.*?)\n```\s*\Z", re.DOTALL)
_LABEL = re.compile(r"!?\[([^\[\]]*)\]\(")
_TARGET = re.compile(r"\s*<?([^\s>]*)")
_BARE_URL = re.compile(r"https?://[^\s<>()\[\]\"'`]+")
_AFTER_URL = ".,;:!?*_…"


def format_markdown(draft: str) -> str:
    """The same text in one form: the marks of lists, blank lines, line ends."""
    fenced = _FENCED.match(draft)
    return mdformat.text(fenced[1] if fenced else draft)


def find_links(text: str) -> dict[str, str]:
    """The targets of a text's links, in their order, with their labels; bare addresses are their own labels."""
    found: dict[str, str] = {}
    for block in MarkdownIt("commonmark").disable("code").parse(text):
        target = None
        label: list[str] = []
        for token in block.children or ():
            if token.type == "image":
                found.setdefault(str(token.attrs["src"]), token.content)
            elif token.type == "link_open":
                target, label = str(token.attrs["href"]), []
            elif token.type == "link_close" and target is not None:
                found.setdefault(target, "".join(label).strip() or target)
                target = None
            elif target is not None:
                label.append(token.content)
            elif token.type == "text":
                for match in _BARE_URL.finditer(token.content):
                    link = match[0].rstrip(_AFTER_URL)
                    found.setdefault(link, link)
    return found


def without_links(text: str, keep: Callable[[str], bool]) -> str:
    """The text with the words of each link in its place, but for links to what `keep` approves of."""
    parts, done = [], 0
    for label in _LABEL.finditer(text):
        if label.start() < done:
            continue  # it is in the one before
        end = text.find(")", label.end())
        if end < 0:
            break
        target = _TARGET.match(text, label.end(), end)
        if target is None or not keep(target[1]):
            parts += [text[done : label.start()], label[1]]
            done = end + 1
    worded = "".join([*parts, text[done:]])
    return _BARE_URL.sub(lambda match: match[0] if keep(match[0].rstrip(_AFTER_URL)) else "", worded)
