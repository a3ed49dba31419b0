"""Subtitles: SubRip (.srt) and WebVTT (.vtt)."""

from __future__ import annotations

import html
import re

from app.ingest.readers.common import Log
from app.wording import count

__all__ = ["subtitles"]

_TIMES = re.compile(r"\s*(?:\d+:)?\d+:\d+[,.]\d+\s*-->\s*(?:\d+:)?\d+:\d+[,.]\d+")
_SPEAKER = re.compile(r"<v(?:\.[^\s>]*)?\s+([^>]+)>")
_MARKUP = re.compile(r"<[^<>]*>|\{\\[^{}]*\}")


def subtitles(text: str, log: Log) -> tuple[list[str], str]:
    """What is said, a line for each line, without numbers, times and markup; a line that only stays is there once."""
    lines, cues, saying = list[str](), 0, False
    for line in re.split(r"\r\n|\r|\n", text):
        line = line.strip("\ufeff \t")
        if _TIMES.match(line):
            cues += 1
            if saying and lines and lines[-1].isdecimal():  # the cue's number, where no blank line was before it
                lines.pop()
            saying = True
        elif not line:
            saying = False
        elif saying:
            said = html.unescape(_MARKUP.sub("", _SPEAKER.sub(r"\1: ", line))).strip()
            if said and said not in lines[-2:]:  # captions that roll up show a line twice
                lines.append(said)
    log(f"Read the subtitles: {count(cues, 'cue')}", "info")
    named = re.match(r"\ufeff?WEBVTT[ \t]+(?:-[ \t]*)?([^\r\n]+)", text)
    return ([named[1].strip()] if named else []), "\n".join(lines)
