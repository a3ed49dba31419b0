"""The workers: what each of them does with a document. The work itself is done in processes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from app.agents.events import WorkerName
from app.documents import SourceDocument
from app.processes import Processes
from app.wording import count

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


Worker = Callable[[SourceDocument, Report, Processes], Awaitable[Outcome]]


async def tag(document: SourceDocument, report: Report, processes: Processes) -> Outcome:
    """Finds what a document is about."""
    text = document.text[:MAX_CHARACTERS]
    report(f"Counting {count(len(text), 'character')} by their words", 30)
    tags = await processes.run("app.agents.analysis:tags", text, user=document.user_id)
    return Outcome(", ".join(tags) or "no words to make tags of", {"tags": tags})


async def summarise(document: SourceDocument, report: Report, processes: Processes) -> Outcome:
    """Chooses the sentences that say most of it."""
    report("Splitting the text into sentences", 20)
    text, user = document.text[:MAX_CHARACTERS], document.user_id
    sentences = await processes.run("app.agents.analysis:sentences", text, user=user)
    report(f"Weighing {count(len(sentences), 'sentence')} against each other", 50)
    summary = await processes.run("app.agents.analysis:summary", sentences, user=user)
    message = f"chose {len(summary)} of {count(len(sentences), 'sentence')}"
    return Outcome(message if summary else "no sentences to choose from", {"summary": summary})


async def index(document: SourceDocument, report: Report, processes: Processes) -> Outcome:
    """Has its words ready for documents that are about the same."""
    text = document.text[:MAX_CHARACTERS]
    report("Reading the words", 50)
    words, terms = await processes.run("app.agents.analysis:index", text, user=document.user_id)
    return Outcome(f"indexed {count(words, 'word')}", {}, index=terms)


WORKERS: Mapping[WorkerName, Worker] = {"tagger": tag, "summariser": summarise, "indexer": index}
