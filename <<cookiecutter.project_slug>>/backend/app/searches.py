"""Searches: reads of the database whose cost the words decide that somebody asks for."""

from __future__ import annotations

from typing import Any

from app.database import Database
from app.jobs import JobError
from app.processes import Processes, RefusedInput

__all__ = ["SearchFailed", "Searches"]


class SearchFailed(Exception):
    """A search took too long, or too much. Its text says what to do."""


class Searches:
    """Searches a database in processes, each with a connection of its own that cannot write: the database's own readers
    stay free for what is quick, such as to sign in.

    Arguments:
        database: which; it is open.
        processes: where. They are not those that read documents: nobody waits for them to search.
    """

    def __init__(self, database: Database, processes: Processes) -> None:
        self._database = database
        self._processes = processes

    async def close(self) -> None:
        """Ends the processes that have nothing to do."""
        await self._processes.close()

    async def run(self, function: str, *arguments: Any, user: str) -> Any:
        """Gives what a function finds.

        Arguments:
            function: as `module:name`. Its first argument is the database's URL, for `app.snapshot`.
            arguments: its others; these and what it returns go through JSON.
            user: the id of the user who asks.

        Raises:
            RefusedInput: what the function refuses.
            SearchFailed: it took too long (MAX_SEARCH_SECONDS) or too much memory, or failed.
        """
        try:
            return await self._processes.run(function, self._database.url, *arguments, user=user, noun="search")
        except RefusedInput:
            raise
        except JobError as error:
            raise SearchFailed("the search took too long or too much: search for fewer or rarer words") from error
