"""The generator that needs no key: it chooses, of the text's own sentences, those that say most."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Iterable, Sequence

from app.generation.events import ProviderName
from app.generation.markdown import find_links, without_links
from app.generation.prompt import factor
from app.generation.provider import Report, Task
from app.generation.reading import BLOCK, Part, key_sentences, read
from app.generation.validate import count_words, is_full_address
from app.jobs import JobError
from app.wording import count

__all__ = ["ExtractiveProvider"]

_POINTS = 7
_SUMMARY = 3
_PARTS = 40
_MOST_LINKS = 30


class ExtractiveProvider:
    """Drafts of sentences of the text itself. It makes nothing up, in any language, and calls nobody.

    The work is done in threads, in pieces of some 50 ms: the server goes on, and a run that is cancelled ends at once.
    """

    name: ProviderName = "extractive"
    title = "Built in"
    model = "LexRank"

    async def generate(self, task: Task, report: Report) -> AsyncGenerator[str, None]:
        parts = await asyncio.to_thread(read, task.text)
        if not parts:
            raise JobError("The text has no sentences to choose from: give a longer one.")
        scale = _scale(task)
        bad = {problem.link for attempt in task.earlier for problem in attempt.problems if problem.link}

        def line(sentence: str) -> str:
            return without_links(sentence, lambda link: link not in bad and is_full_address(link)) if bad else sentence

        for section in task.prompt.sections:
            yield f"## {section.heading}\n\n"
            if section.form == "links":
                links = await asyncio.to_thread(find_links, task.text)
                yield _list_of(links.items())
            elif section.form == "summary":
                sentences = [sentence for part in parts for sentence in part.sentences]
                best = await _best(sentences, _times(_SUMMARY, scale), report)
                yield " ".join(map(line, best)) + "\n"
            else:
                outline = section.form == "outline"
                groups = _groups(parts, _times(_PARTS if outline else _POINTS, min(scale, 1.0) if outline else scale))
                for number, part in enumerate(groups):
                    report(f"Reading part {number + 1} of {len(groups)}", number / len(groups))
                    wanted = _times(2 if len(groups) <= _POINTS else 1, scale) if outline else 1
                    first, *others = map(line, await _best(part.sentences, wanted, report))
                    if outline and part.title:
                        first, others = f"**{line(part.title)}**", [first, *others]
                    yield f"- {first}\n" + "".join(f"  - {other}\n" for other in others)
            yield "\n"


def _scale(task: Task) -> float:
    """How much longer than usual to write: as was asked for, and as earlier drafts were too long or too short."""
    scale = factor(task.length)
    fewest, most = task.prompt.words(task.length)
    for attempt in task.earlier:
        words = max(1, count_words(attempt.draft))
        if words > most:
            scale *= 0.9 * most / words
        elif words < fewest:
            scale *= 1.2 * fewest / words
    return scale


def _times(number: int, scale: float) -> int:
    return max(1, round(number * scale))


async def _best(sentences: Sequence[str], number: int, report: Report) -> tuple[str, ...]:
    """The key sentences of any number of them: first of each block, then of what is left, until that is one block."""
    left = tuple(sentences)
    while len(left) > max(BLOCK, number):
        blocks = [left[start : start + BLOCK] for start in range(0, len(left), BLOCK)]
        each = max(1, min(BLOCK // 4, math.ceil(4 * number / len(blocks))))
        found: list[str] = []
        for index, block in enumerate(blocks):
            if len(blocks) > 4:
                report(f"Weighing {count(len(left), 'sentence')}", index / len(blocks))
            found += await asyncio.to_thread(key_sentences, block, each)
        left = tuple(found)
    return await asyncio.to_thread(key_sentences, left, number)


def _groups(parts: Sequence[Part], number: int) -> list[Part]:
    """The text in so many parts at most: those of its headings, or runs of sentences of the same length."""
    titled = sum(bool(part.title) for part in parts)
    if titled > 1 and len(parts) <= number:
        return list(parts)
    sentences = [sentence for part in parts for sentence in part.sentences]
    number = min(number, _POINTS if titled < 2 else number, math.ceil(len(sentences) / 3))
    size = math.ceil(len(sentences) / number)
    return [Part("", tuple(sentences[start : start + size])) for start in range(0, len(sentences), size)]


def _list_of(links: Iterable[tuple[str, str]]) -> str:
    """The links as a list, each as often as once; what is no full address would lead nowhere."""
    lines = [
        f"- <{target}>\n" if label == target else f"- [{label}]({target})\n"
        for target, label in links
        if is_full_address(target)
    ]
    return "".join(lines[:_MOST_LINKS]) or "None.\n"
