"""Plain text."""

from __future__ import annotations

import re

from app.ingest.readers.common import Log, batches, clean, count_words, span
from app.ingest.readers.markdown import front_matter
from app.wording import count

__all__ = ["plain"]


def plain(text: str, log: Log) -> tuple[list[str], str]:
    blocks = [block for block in re.split(r"\n\s*\n", clean(text)) if block.strip()]
    if len(blocks) > 1:
        for first, last, batch in batches(blocks):
            words = sum(count_words(block) for block in batch)
            log(f"{span('Paragraph', first, last, len(blocks))}: {count(words, 'word')}", "info")
    _, title = front_matter(text, log)
    return [title], text
