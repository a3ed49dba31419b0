"""Another server on the same data, for library.spec.ts: the search index is to be made anew, and it does that.

python index_anew.py DATA_DIR    # prints a line when nothing can be found; makes the index when its stdin ends
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.database import Database
from app.ingest.archive import Archive
from app.ingest.documents import Library
from app.ingest.extractor import Extractor
from app.ingest.reindex import index_anew
from app.processes import Processes
from app.searches import Searches
from app.storage import Folder, WorkFolder

EMPTY = """
INSERT INTO documents_index (documents_index) VALUES ('delete-all');
INSERT INTO titles_index (titles_index) VALUES ('delete-all');
DELETE FROM document_terms;
INSERT OR IGNORE INTO documents_to_index SELECT position FROM documents
"""


def empty(session: Session) -> None:
    """Leaves the index as a migration does."""
    for statement in EMPTY.split(";"):
        session.execute(text(statement))


async def main(folder: Path) -> None:
    archive = Archive(Folder(folder / "archive"), WorkFolder(folder / "work"))
    database = Database(f"sqlite:///{folder / 'app.db'}")
    await archive.open()
    await database.open()
    await database.write(empty)
    print("empty", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    processes = Processes()
    library = Library(database, archive, Searches(database, processes))
    await index_anew(library, archive, Extractor(processes))
    await processes.close()
    await database.close()


asyncio.run(main(Path(sys.argv[1])))
