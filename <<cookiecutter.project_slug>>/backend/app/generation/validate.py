"""The rules that a draft must keep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from markdown_it import MarkdownIt

from app import words
from app.generation.draft import find_talk
from app.generation.markdown import find_links
from app.generation.prompt import Length, Prompt
from app.wording import clip

__all__ = ["Problem", "count_words", "is_full_address", "validate"]

_HEADING = "h2"


@dataclass(frozen=True)
class Problem:
    """A rule that a draft breaks, in words that its author can act on; `link`: the link that it is about."""

    message: str
    link: str | None = None


def validate(draft: str, *, prompt: Prompt, length: Length, source: str) -> list[Problem]:
    """What is wrong with a draft; nothing where it keeps all the rules.

    It must have the prompt's headings, in their order and with something under each; as many words as the prompt
    says, or fewer where the source itself is short; no link that is not in the source, or leads nowhere; and not a
    word to whoever asked for it.
    """
    rules = [*_headings(draft, prompt), *_length(draft, prompt, length, source), *_links(draft, source)]
    return [*rules, *_talk(draft, source)]


def count_words(text: str) -> int:
    """How many words a text has: what blanks separate, of which letters or digits are a part; in scripts without
    blanks each word, or in Chinese and Japanese each character."""
    return words.count_words(text, by_blanks=True)


def is_full_address(link: str) -> bool:
    """Whether a link leads somewhere from anywhere: `https://example.com/page`, `mailto:name@example.com`."""
    try:
        parts = urlsplit(link)
        _ = parts.port
    except ValueError:
        return False
    if parts.scheme == "mailto":
        return "@" in parts.path
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _headings(draft: str, prompt: Prompt) -> list[Problem]:
    contents = _contents(draft)
    wanted = [section.heading for section in prompt.sections]
    missing = [heading for heading in wanted if heading not in contents]
    if missing:
        return [Problem(f"The heading “## {heading}” is missing.") for heading in missing]
    if list(contents) != wanted:
        return [Problem(f"The headings are {_list(contents)}: they must be {_list(wanted)}.")]
    return [Problem(f"There is nothing under “## {heading}”.") for heading, filled in contents.items() if not filled]


def _contents(draft: str) -> Mapping[str, bool]:
    """The headings, and whether something stands under each."""
    contents: dict[str, bool] = {}
    heading = ""
    tokens = MarkdownIt().parse(draft)
    for before, token in zip([None, *tokens], tokens, strict=False):
        if before is not None and before.type == "heading_open" and before.tag == _HEADING:
            heading = token.content.strip()
            contents.setdefault(heading, False)
        elif heading and token.content.strip():
            contents[heading] = True
    return contents


def _length(draft: str, prompt: Prompt, length: Length, source: str) -> list[Problem]:
    fewest, most = prompt.words(length)
    fewest = min(fewest, count_words(source) // 2)
    number = count_words(draft)
    if number < fewest:
        return [Problem(f"It has {number:,} words: write {fewest:,} at least.")]
    if number > most:
        return [Problem(f"It has {number:,} words: write {most:,} at most.")]
    return []


def _links(draft: str, source: str) -> list[Problem]:
    known = find_links(source)
    problems = []
    for link in find_links(draft):
        if link not in known:
            problems.append(Problem(f"The link {link} is not in the text: leave it out.", link))
        elif not is_full_address(link):
            problems.append(
                Problem(f"The link {link} leads nowhere outside of the text: leave it out, and keep its words.", link)
            )
    return problems


def _talk(draft: str, source: str) -> list[Problem]:
    talk = find_talk(draft, source)
    return [] if talk is None else [Problem(f"It speaks to whoever asked for it ({clip(talk)}): leave that out.")]


def _list(headings: Mapping[str, bool] | list[str]) -> str:
    return ", ".join(f"“## {heading}”" for heading in headings)
