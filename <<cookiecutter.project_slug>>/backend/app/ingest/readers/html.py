"""HTML, by way of Markdown."""

from __future__ import annotations

import contextlib
import html as entities
import re
from copy import deepcopy
from typing import Any
from urllib.parse import urljoin

from app.ingest.readers.common import ExtractError, Log, count_words
from app.ingest.readers.markdown import FRONT_MATTER, log_sections, sections
from app.ingest.readers.walls import wall
from app.wording import clip, count

__all__ = ["flat", "html", "redirect_of", "refresh_target", "text_of"]

_BLANKS = re.compile(r"\s+")
_CONTROLS = re.compile(
    "(?P<blank>[\x0b\x0c]|&#(?:0*1[12](?![0-9])|[xX]0*[bBcC](?![0-9a-fA-F]));?)"
    "|[\0-\x08\x0e-\x1f\ufffe\uffff]|&#(?:0*(?:[0-8]|1[4-9]|2[0-9]|3[01]|6553[45])(?![0-9])"
    "|[xX]0*(?:[0-8eEfF]|1[0-9a-fA-F]|[fF]{3}[eEfF])(?![0-9a-fA-F]));?"
)
"""What the parser takes from a page but lets nobody write into its tree (XML 1.0, "Characters"), and nobody sees. A
vertical tab and a form feed stand between words."""
_INLINE = {
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font", "i", "img",
    "ins", "kbd", "label", "mark", "q", "rp", "rt", "ruby", "s", "samp", "small", "span", "strike", "strong", "sub",
    "sup", "td", "th", "time", "tt", "u", "var", "wbr",
}  # fmt: skip
_UNSEEN = ("script", "style", "noscript", "template", "head", "svg")
_AROUND = ("nav", "header", "footer", "aside", "form", "a")
_LEAST_SHARE, _LEAST_SHARE_OF_FEW, _FEW_WORDS = 0.1, 0.3, 100
"""An article with a smaller share of a page's words, those of links and of what stands around aside, is none; under
pages with many comments a long one may be a small part. Set by trafilatura's evaluation data."""

_PIECES = re.compile(
    r"(?P<open><!--)|(?P<close>-->)|</(?P<end>script|style|noscript|title|textarea|template)\b"
    r"|<(?P<start>script|style|noscript|title|textarea|template)\b|<(?P<tag>meta|base)\b(?P<attributes>[^>]{0,1000})>",
    re.IGNORECASE,
)
_ATTRIBUTE = re.compile(r"""([a-z-]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE)
_REFRESH = re.compile(
    r"""\s*(\d+)(?:\.[\d.]*)?(?:\s*[;,]\s*|\s+)(?:url\s*=\s*)?(?:"([^"]*)|'([^']*)|(.*))""", re.IGNORECASE | re.DOTALL
)
_OTHER_SCHEME = re.compile(r"(?!https?:)[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_SOON = 5  # seconds; a page that is shown for longer is there to be read


def redirect_of(source: str) -> str | None:
    """Where a page leads on to by `<meta http-equiv=refresh>`, within 5 seconds; None for one that stays.

    It may be relative to the page's own address. Only the first 64 KiB are looked at, in linear time; what stands in a
    comment, a script or a `noscript` is passed over (HTML Standard, "shared declarative refresh steps").
    """
    inside, base = "", ""
    for piece in _PIECES.finditer(source[:65_536]):
        kind = piece.lastgroup
        if inside:
            if (kind == "close" and inside == "<!--") or (kind == "end" and piece["end"].lower() == inside):
                inside = ""
        elif kind == "open":
            inside = "<!--"
        elif kind == "start":
            inside = piece["start"].lower()
        elif piece["tag"]:
            found = {name.lower(): a or b or c for name, a, b, c in _ATTRIBUTE.findall(piece["attributes"])}
            if piece["tag"].lower() == "base":
                base = base or found.get("href", "")
            elif found.get("http-equiv", "").strip().lower() == "refresh":
                url = refresh_target(entities.unescape(found.get("content", "")))
                if url is not None:
                    with contextlib.suppress(ValueError):  # no URL at all
                        return str(urljoin(entities.unescape(base), url))
    return None


def refresh_target(content: str) -> str | None:
    """Where `0; url=/new`, the content of such a `<meta>` or of the header `Refresh`, leads on to within 5 seconds."""
    match = _REFRESH.match(content)
    url = next((each for each in match.groups()[1:] if each), "").strip() if match else ""
    return url if match and url and int(match[1][:9]) <= _SOON and not _OTHER_SCHEME.match(url) else None


def text_of(source: str) -> str:
    """All the text of a page that is part of something else, such as a mail or a book.

    Raises:
        ExtractError: it cannot be parsed.
    """
    from lxml import etree

    tree = _parsed(source)
    etree.strip_elements(tree, etree.Comment, etree.PI, "script", "style", "head", with_tail=False)
    return flat(tree)


def _parsed(source: str) -> Any:
    from lxml import etree, html

    source = re.sub(r"^\s*<\?xml[^>]*\?>", "", source)
    source = _CONTROLS.sub(lambda found: " " if found["blank"] else "", source)
    try:
        return html.document_fromstring(source)
    except (etree.ParserError, ValueError) as error:
        raise ExtractError(f"This HTML cannot be parsed ({error}): open it in a browser and save it again.") from error


def flat(tree: Any) -> str:
    """All the text of a tree, a line for each block of it. The tree is changed."""
    for element in tree.iter():
        if next(element.iterancestors("pre", "textarea"), None) is None and element.tag != "pre":
            element.text = _BLANKS.sub(" ", element.text or "")
        element.tail = _BLANKS.sub(" ", element.tail or "")
        if element.tag in ("td", "th") and element.getnext() is not None:
            element.tail = " | "
        elif element.tag not in _INLINE and not _fills_a_cell(element):
            element.text, element.tail = f"\n{element.text}", f"\n{element.tail}"
    lines = (" ".join(line.split()) for line in "".join(tree.itertext()).split("\n"))
    return "\n".join(line for line in lines if line)


def _fills_a_cell(element: Any) -> bool:
    parent = element.getparent()
    return parent is not None and parent.tag in ("td", "th") and len(parent) == 1


def html(source: str, log: Log) -> tuple[list[str], str]:
    """The titles that it might have, best first, and the text of its article; where there is none, all of its text.

    Raises:
        ExtractError: it cannot be parsed, or is only a wall in front of another page.
    """
    import trafilatura
    from lxml import etree

    tree = _parsed(source)
    log(
        f"Parsed the page: {count(sum(1 for _ in tree.iter()), 'element')}, "
        f"{count(len(tree.findall('.//a')), 'link')}, {count(len(tree.findall('.//img')), 'image')}",
        "info",
    )
    page_title = " ".join((tree.findtext(".//title") or "").split())
    seen = deepcopy(tree)
    etree.strip_elements(seen, etree.Comment, *_UNSEEN, with_tail=False)
    visible = flat(deepcopy(seen)).split("\n")
    _refuse_walls(source, tree, visible, page_title)

    article, titles = "", list[str]()
    etree.strip_elements(seen, *_AROUND, with_tail=False)
    total = count_words(" ".join(seen.itertext()))
    for favor_recall in (False, True):
        document = trafilatura.extract_with_metadata(
            deepcopy(tree),
            output_format="markdown",
            include_formatting=True,
            include_comments=False,
            favor_recall=favor_recall,
        )
        # The metadata comes a second time, as front matter.
        text = FRONT_MATTER.sub("", document.text or "", count=1) if document else ""
        if document and not titles:
            titles = [document.title or ""]
            _log_facts(document, log)
        if count_words(text) > count_words(article):
            article = text
        if _is_enough(article, total):
            break
    titles = [title for title in (*titles, page_title) if title]
    if _is_enough(article, total):
        log(f"Found the main article: {count(count_words(article), 'word')}", "info")
        found = list(sections(article))
        log_sections(found, log)
        return titles, "\n\n".join(part for _, heading, body in found for part in (heading, body) if part)
    why = (
        f"only {count(count_words(article), 'word')} look like the main article" if article else "No main article found"
    )
    log(f"{why[0].upper()}{why[1:]}: keeping all the text of the page", "warning")
    return titles, "\n".join(visible)


def _is_enough(article: str, total: int) -> bool:
    words = count_words(article)
    return bool(words) and words >= total * (_LEAST_SHARE_OF_FEW if words < _FEW_WORDS else _LEAST_SHARE)


def _refuse_walls(source: str, tree: Any, visible: list[str], title: str) -> None:
    target = redirect_of(source)
    if target and count_words(" ".join(visible)) < 100:
        raise ExtractError(f"This page only leads on to {clip(target, 200)}: give that address.")
    wants = wall(tree, visible, title)
    if wants:
        words = count(count_words(" ".join(visible)), "word")
        fix = "open it in a browser, save it when its text is there, and upload the file."
        raise ExtractError(f"This page {wants} and holds nothing else ({words}): {fix}")


def _log_facts(document: Any, log: Log) -> None:
    facts = [
        f"by {document.author}" if document.author else "",
        f"published {document.date}" if document.date else "",
        f"on {document.sitename}" if document.sitename else "",
    ]
    if any(facts):
        log("The page says: " + ", ".join(fact for fact in facts if fact), "info")
