"""The workers: what each of them does with a document."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from app.agents.events import WorkerName
from app.documents import SourceDocument
from app.terms import joined_terms
from app.wording import count
from app.words import count_words

__all__ = ["WORKERS", "Outcome", "Report", "Worker"]

MAX_CHARACTERS = 200_000
"""How much of a text is read: some hundred pages, which takes less than a second."""

Report = Callable[[str, float], None]
"""Takes a sentence on what is being done, and how far it is in percent."""


@dataclass(frozen=True)
class Outcome:
    """What a worker has found out."""

    message: str
    """For its lane."""
    found: Mapping[str, Any]
    """To be stored; its keys are fields of `DocumentFindings`."""
    index: str | None = None
    """The terms by which the document is to be found from others, with blanks between them."""


Worker = Callable[[SourceDocument, Report], Awaitable[Outcome]]


async def tag(document: SourceDocument, report: Report) -> Outcome:
    """Finds what a document is about."""
    text = document.text[:MAX_CHARACTERS]
    report(f"Counting {count(len(text), 'character')} by their words", 30)
    tags = await asyncio.to_thread(_tags, text)
    return Outcome(", ".join(tags) or "no words to make tags of", {"tags": tags})


async def summarise(document: SourceDocument, report: Report) -> Outcome:
    """Chooses the sentences that say most of it."""
    report("Splitting the text into sentences", 20)
    sentences = await asyncio.to_thread(_sentences, document.text[:MAX_CHARACTERS])
    report(f"Weighing {count(len(sentences), 'sentence')} against each other", 50)
    summary = await asyncio.to_thread(_summary, sentences)
    message = f"chose {len(summary)} of {count(len(sentences), 'sentence')}"
    return Outcome(message if summary else "no sentences to choose from", {"summary": summary})


async def index(document: SourceDocument, report: Report) -> Outcome:
    """Has its words ready for documents that are about the same."""
    text = document.text[:MAX_CHARACTERS]
    report("Reading the words", 50)
    words, terms = await asyncio.to_thread(_words, text)
    return Outcome(f"indexed {count(words, 'word')}", {}, index=terms)


WORKERS: Mapping[WorkerName, Worker] = {"tagger": tag, "summariser": summarise, "indexer": index}


# In a thread: the libraries take a while to load and to work, and the event loop has streams to serve.
def _tags(text: str) -> list[str]:
    from app.agents import analysis

    return analysis.tags(text)


def _sentences(text: str) -> list[str]:
    from app.agents import analysis

    return analysis.sentences(text)


def _summary(sentences: list[str]) -> list[str]:
    from app.agents import analysis

    return analysis.summary(sentences)


def _words(text: str) -> tuple[int, str]:
    """How many there are, and their terms."""
    return count_words(text), " ".join(joined_terms(text))
