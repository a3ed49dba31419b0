"""The generator that needs no key: it chooses, of the text's own sentences, those that say most."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from app.generation.events import ProviderName
from app.generation.provider import Report, Task, UnfitText
from app.processes import Processes, RefusedInput

__all__ = ["ExtractiveProvider"]


class ExtractiveProvider:
    """Drafts of sentences of the text itself. It makes nothing up, in any language, and calls nobody.

    Arguments:
        processes: where it works; a run that is cancelled ends its process.
    """

    name: ProviderName = "extractive"
    title = "Built in"
    model = "sumy-reduction"

    def __init__(self, processes: Processes) -> None:
        self._processes = processes

    async def generate(self, task: Task, report: Report) -> AsyncGenerator[str, None]:
        pieces: asyncio.Queue[str | None] = asyncio.Queue()

        def log(kind: str, *said: object) -> None:
            if kind == "piece":
                pieces.put_nowait(str(said[0]))
            else:
                report(str(said[0]), float(str(said[1])))

        earlier = [attempt.draft for attempt in task.earlier]
        refused = [problem.link for attempt in task.earlier for problem in attempt.problems if problem.link]
        writing = asyncio.create_task(
            self._processes.run(
                "app.generation.excerpt:write",
                task.text,
                task.prompt.model_dump(mode="json"),
                task.length,
                earlier,
                refused,
                user=task.user,
                log=log,
                waiting=lambda message: report(message, 0.0),
            )
        )
        writing.add_done_callback(lambda _: pieces.put_nowait(None))
        try:
            while (piece := await pieces.get()) is not None:
                yield piece
            await writing
        except RefusedInput as error:
            raise UnfitText(str(error)) from error
        finally:
            writing.cancel()
            await asyncio.wait({writing})
