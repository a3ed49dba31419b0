"""RTF."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from app.ingest.readers.common import Log
from app.wording import count

__all__ = ["rtf"]


def rtf(path: Path, log: Log) -> tuple[list[str], str]:
    """The text of an RTF document. Its title is what it says of itself."""
    from striprtf import striprtf

    rtf_to_text: Any = striprtf.rtf_to_text  # it has no types
    source = path.read_bytes().decode("latin-1")  # RTF is ASCII; other letters are escaped
    # What cannot be decoded is an error by default: of the whole document.
    text = rtf_to_text(source, errors="replace").strip()
    lost = text.count("\ufffd")
    if lost:
        log(f"{count(lost, 'character')} could not be decoded and became “\ufffd”", "warning")
    found = re.search(r"\{\\title ([^{}]{1,400})\}", source)
    title = rtf_to_text("{\\rtf1\\ansi " + found[1] + "}", errors="replace").strip() if found else ""
    return [title], text
