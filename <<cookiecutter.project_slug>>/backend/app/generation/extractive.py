"""The generator that needs no key: it chooses, of the text's own sentences, those that say most."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence

from app.generation.events import ProviderName
from app.generation.markdown import find_links, without_links
from app.generation.prompt import Form, factor
from app.generation.provider import Report, Task, UnfitText
from app.generation.reading import BLOCK, Part, is_telling, key_sentences, read
from app.generation.validate import count_words, is_full_address
from app.sentences import language_of
from app.wording import count

__all__ = ["ExtractiveProvider"]

_POINTS = 7
_SUMMARY = 3
_PARTS = 40
_MOST_LINKS = 30


class ExtractiveProvider:
    """Drafts of sentences of the text itself. It makes nothing up, in any language, and calls nobody.

    The work is done in threads, a block of sentences at a time: the server goes on, and a run that is cancelled ends
    at once.
    """

    name: ProviderName = "extractive"
    title = "Built in"
    model = "sumy-reduction"

    async def generate(self, task: Task, report: Report) -> AsyncGenerator[str, None]:
        language = await asyncio.to_thread(language_of, task.text)
        parts = await asyncio.to_thread(read, task.text, language)
        if not parts:
            raise UnfitText("The text has no sentences to choose from: give a longer one.")
        extract = _Extract(task, parts, language, report)
        sections = task.prompt.sections
        room = _room(task)
        for index, section in enumerate(sections):
            yield f"## {section.heading}\n\n"
            async for piece in extract.write(section.form, room / (len(sections) - index)):
                room -= count_words(piece)
                yield piece
            yield "\n"


class _Extract:
    """One draft in the making.

    Arguments:
        task: what to write.
        parts: what the text was read as; at least one.
        language: the code of the text's.
        report: told of what is being done.
    """

    def __init__(self, task: Task, parts: Sequence[Part], language: str, report: Report) -> None:
        self._text = task.text
        self._parts = parts
        self._language = language
        self._report = report
        self._scale = _scale(task)
        self._refused = {problem.link for attempt in task.earlier for problem in attempt.problems if problem.link}

    async def write(self, form: Form, room: float) -> AsyncIterator[str]:
        """What stands under a heading, in about `room` words at most."""
        if form == "links":
            yield _list_of(await asyncio.to_thread(find_links, self._text))
        elif form == "summary":
            yield await self._summary(room)
        else:
            groups = self._outline_groups() if form == "outline" else _even(self._parts, self._times(_POINTS))
            for number, part in enumerate(groups):
                self._report(f"Reading part {number + 1} of {len(groups)}", number / len(groups))
                wanted = self._times(2 if len(groups) <= _POINTS else 1) if form == "outline" else 1
                lines = [*await self._best(part.sentences, wanted, room)]
                if form == "outline" and part.title:
                    lines.insert(0, f"**{part.title}**")
                item = "\n  - ".join(map(self._line, lines))
                words = count_words(item)
                if words <= room or number == 0:
                    room -= words
                    yield f"- {item}\n"

    async def _summary(self, room: float) -> str:
        sentences = [sentence for part in self._parts for sentence in part.sentences]
        chosen: list[str] = []
        for sentence in await self._best(sentences, self._times(_SUMMARY), room):
            room -= count_words(sentence)
            if room >= 0 or not chosen:
                chosen.append(self._line(sentence))
        return " ".join(chosen) + "\n"

    async def _best(self, sentences: Sequence[str], number: int, room: float) -> tuple[str, ...]:
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
                found += await asyncio.to_thread(key_sentences, block, each, self._language)
            left = tuple(found)
        return await asyncio.to_thread(key_sentences, left, number, self._language)

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


def _scale(task: Task) -> float:
    """How much longer than usual to write: as was asked for, and as earlier drafts were too long or too short."""
    scale = factor(task.length)
    fewest, most = task.prompt.words(task.length)
    for attempt in task.earlier:
        words = max(1, count_words(attempt.draft))
        if words > most:
            scale *= most / words
        elif words < fewest:
            scale *= 1.2 * fewest / words
    return scale


def _room(task: Task) -> float:
    """How many words there is room for: no matter at first, but once a draft was too long."""
    most = task.prompt.words(task.length)[1]
    if all(count_words(attempt.draft) <= most for attempt in task.earlier):
        return math.inf
    return most - sum(count_words(section.heading) for section in task.prompt.sections)


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
