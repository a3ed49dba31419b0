"""A draft of a text's own sentences: those that say most. It is made apart from the server."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from app.generation.markdown import find_links, without_links
from app.generation.prompt import Form, Length, Prompt, factor
from app.generation.reading import BLOCK, Part, is_telling, key_sentences, read
from app.generation.validate import count_words, is_full_address
from app.process_main import Refused
from app.sentences import language_of
from app.wording import count

__all__ = ["write"]

_POINTS = 7
_SUMMARY = 3
_PARTS = 40
_MOST_LINKS = 30


def write(
    text: str,
    prompt: Mapping[str, Any],
    length: Length,
    earlier: Sequence[str],
    refused: Sequence[str],
    log: Callable[..., None],
) -> None:
    """Writes a draft, and gives it to `log` as it comes.

    Arguments:
        text: of what.
        prompt: a `Prompt`, as JSON has it.
        length: how much.
        earlier: the drafts that were sent back.
        refused: the links in them for which they were.
        log: is called with `"piece"` and the next piece of the draft, or with `"report"`, what is being done, and how
            much of it, from 0 to 1.
    """
    language = language_of(text)
    parts = read(text, language)
    if not parts:
        raise Refused("The text has no sentences to choose from: give a longer one.")
    made = Prompt.model_validate(prompt)
    extract = _Extract(
        text, parts, language, _scale(made, length, earlier), refused, lambda *said: log("report", *said)
    )
    sections = made.sections
    room = _room(made, length, earlier)
    for index, section in enumerate(sections):
        log("piece", f"## {section.heading}\n\n")
        for piece in extract.write(section.form, room / (len(sections) - index)):
            room -= count_words(piece)
            log("piece", piece)
        log("piece", "\n")


class _Extract:
    """One draft in the making.

    Arguments:
        text: of what.
        parts: what it was read as; at least one.
        language: the code of its language.
        scale: how much longer than usual to write.
        refused: the links that must not be in it.
        report: told of what is being done.
    """

    def __init__(
        self,
        text: str,
        parts: Sequence[Part],
        language: str,
        scale: float,
        refused: Sequence[str],
        report: Callable[[str, float], None],
    ) -> None:
        self._text = text
        self._parts = parts
        self._language = language
        self._report = report
        self._scale = scale
        self._refused = frozenset(refused)

    def write(self, form: Form, room: float) -> Iterator[str]:
        """What stands under a heading, in about `room` words at most."""
        if form == "links":
            yield _list_of(find_links(self._text))
        elif form == "summary":
            yield self._summary(room)
        else:
            groups = self._outline_groups() if form == "outline" else _even(self._parts, self._times(_POINTS))
            for number, part in enumerate(groups):
                self._report(f"Reading part {number + 1} of {len(groups)}", number / len(groups))
                wanted = self._times(2 if len(groups) <= _POINTS else 1) if form == "outline" else 1
                lines = [*self._best(part.sentences, wanted, room)]
                if form == "outline" and part.title:
                    lines.insert(0, f"**{part.title}**")
                item = "\n  - ".join(map(self._line, lines))
                words = count_words(item)
                if words <= room or number == 0:
                    room -= words
                    yield f"- {item}\n"

    def _summary(self, room: float) -> str:
        sentences = [sentence for part in self._parts for sentence in part.sentences]
        chosen: list[str] = []
        for sentence in self._best(sentences, self._times(_SUMMARY), room):
            room -= count_words(sentence)
            if room >= 0 or not chosen:
                chosen.append(self._line(sentence))
        return " ".join(chosen) + "\n"

    def _best(self, sentences: Sequence[str], number: int, room: float) -> tuple[str, ...]:
        """The key sentences of any number of them: first of each block, then of what is left, until that is one block.
        They are shorter than `room`, if there are any such."""
        left = tuple(each for each in sentences if count_words(each) <= room) or (min(sentences, key=count_words),)
        while len(left) > max(BLOCK, number):
            blocks = [left[start : start + BLOCK] for start in range(0, len(left), BLOCK)]
            each = max(1, min(BLOCK // 4, math.ceil(4 * number / len(blocks))))
            found: list[str] = []
            for index, block in enumerate(blocks):
                if len(blocks) > 4:
                    self._report(f"Weighing {count(len(left), 'sentence')}", index / len(blocks))
                found += key_sentences(block, each, self._language)
            left = tuple(found)
        return key_sentences(left, number, self._language)

    def _outline_groups(self) -> list[Part]:
        """The parts under the text's own headings, if it has some and not too many."""
        titled = sum(bool(part.title) for part in self._parts)
        if titled > 1 and len(self._parts) <= self._times(_PARTS):
            return list(self._parts)
        return _even(self._parts, self._times(_PARTS if titled > 1 else _POINTS))

    def _times(self, number: int) -> int:
        return max(1, round(number * self._scale))

    def _line(self, sentence: str) -> str:
        if not self._refused:
            return sentence
        return without_links(sentence, lambda link: link not in self._refused and is_full_address(link))


def _scale(prompt: Prompt, length: Length, earlier: Sequence[str]) -> float:
    """How much longer than usual to write: as was asked for, and as earlier drafts were too long or too short."""
    scale = factor(length)
    fewest, most = prompt.words(length)
    for draft in earlier:
        words = max(1, count_words(draft))
        if words > most:
            scale *= most / words
        elif words < fewest:
            scale *= 1.2 * fewest / words
    return scale


def _room(prompt: Prompt, length: Length, earlier: Sequence[str]) -> float:
    """How many words there is room for: no matter at first, but once a draft was too long."""
    most = prompt.words(length)[1]
    if all(count_words(draft) <= most for draft in earlier):
        return math.inf
    return most - sum(count_words(section.heading) for section in prompt.sections)


def _even(parts: Sequence[Part], number: int) -> list[Part]:
    """The text in so many parts at most, of about the same number of sentences and of two at least."""
    everything = [sentence for part in parts for sentence in part.sentences]
    sentences = [each for each in everything if is_telling(each)] or everything
    size = max(2, math.ceil(len(sentences) / number))
    return [Part("", tuple(sentences[start : start + size])) for start in range(0, len(sentences), size)]


def _list_of(links: Mapping[str, str]) -> str:
    """The links as a list; what is no full address would lead nowhere."""
    lines = [
        f"- <{target}>\n" if label == target else f"- [{label}]({target})\n"
        for target, label in links.items()
        if is_full_address(target)
    ]
    return "".join(lines[:_MOST_LINKS]) or "None.\n"
