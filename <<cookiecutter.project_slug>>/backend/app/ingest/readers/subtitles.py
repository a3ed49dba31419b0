"""Subtitles: SubRip (.srt), WebVTT (.vtt) and SubViewer (.sbv)."""

from __future__ import annotations

import html
import re

from app.ingest.readers.common import Log
from app.wording import count

__all__ = ["subtitles"]

_TIME = r"-?(?:\d+:)?\d+:\d+(?:[,.:]\d+)?"
_TIMES = re.compile(rf"{_TIME}[ \t]*-->[ \t]*{_TIME}|\d+:\d\d:\d\d\.\d+,\d+:\d\d:\d\d\.\d+$")
_SPEAKER = re.compile(r"<v(?:\.[^\s>]*)?\s+([^>]+)>")
_MARKUP = re.compile(r"</?[A-Za-z][^<>]*>|<[\d:.]+>|</>|\{\\[^{}]*\}|\{[A-Za-z]:[^{}]*\}")
_BREAK = re.compile(r"\\[Nh]|\[br\]")


def subtitles(text: str, log: Log) -> tuple[list[str], str]:
    """What is said, a line for each line, without numbers, times and markup; a line that only stays is there once."""
    webvtt = text.lstrip("\ufeff \t\r\n").startswith("WEBVTT")
    cues = list[list[str]]()
    saying = False
    for line in re.split(r"\r\n|\r|\n", text):
        line = line.strip("\ufeff \t")
        if _TIMES.match(line):
            # The number of this cue stands at the end of the one before, which may hold blank lines.
            if not webvtt and "-->" in line and cues and cues[-1] and cues[-1][-1].isdecimal():
                cues[-1].pop()
            cues.append([])
            saying = True
        elif line and saying:
            cues[-1].append(line)
        elif webvtt:
            saying = False
    lines = list[str]()
    for line in (line for cue in cues for line in cue):
        said = html.unescape(_MARKUP.sub("", _SPEAKER.sub(r"\1: ", _BREAK.sub(" ", line)))).strip()
        if said and said not in lines[-2:]:  # captions that roll up show a line twice
            lines.append(said)
    log(f"Read the subtitles: {count(len(cues), 'cue')}", "info")
    named = re.match(r"\s*\ufeff?WEBVTT[ \t]+(?:-[ \t]*)?(?!\w+:)([^\r\n]+)", text)
    return ([named[1].strip()] if named else []), "\n".join(lines)
