"""HTML, by way of Markdown."""

from __future__ import annotations

import re
from copy import deepcopy

from app.ingest.readers.common import ExtractError, Log, count_words
from app.ingest.readers.markdown import FRONT_MATTER, log_sections, sections
from app.wording import count

__all__ = ["html", "redirect_of"]

# What browsers follow: seconds, a separator, and perhaps `url=` and quotes (html.spec.whatwg.org, 4.2.5.3).
_REFRESH = re.compile(r"\s*0+(?:\.\d*)?\s*[;,\s]\s*(?:url\s*=\s*)?", re.IGNORECASE)


def redirect_of(html: str) -> str | None:
    """Where a page leads at once by itself (`<meta http-equiv="refresh" content="0; url=...">`), as the page writes it;
    None for one that does not."""
    from lxml import etree
    from lxml.html import document_fromstring

    try:
        tree = document_fromstring(re.sub(r"^\s*<\?xml[^>]*\?>", "", html))
    except (etree.ParserError, ValueError):
        return None
    for meta in tree.iter("meta"):
        if (meta.get("http-equiv") or "").strip().lower() == "refresh":
            content = meta.get("content") or ""
            match = _REFRESH.match(content)
            if match is not None and not any(True for _ in meta.iterancestors("noscript")):
                return content[match.end() :].strip().strip("\"'").strip() or None
    return None


def html(source: str, log: Log) -> tuple[str, str]:
    import trafilatura
    from lxml import etree, html

    try:
        tree = html.document_fromstring(re.sub(r"^\s*<\?xml[^>]*\?>", "", source))
    except (etree.ParserError, ValueError) as error:
        raise ExtractError(f"This HTML cannot be parsed ({error}): open it in a browser and save it again.") from error
    log(
        f"Parsed the page: {count(sum(1 for _ in tree.iter()), 'element')}, "
        f"{count(len(tree.findall('.//a')), 'link')}, {count(len(tree.findall('.//img')), 'image')}",
        "info",
    )
    document = trafilatura.extract_with_metadata(
        deepcopy(tree), output_format="markdown", include_formatting=True, include_comments=False
    )
    page_title = " ".join((tree.findtext(".//title") or "").split())
    title = (document.title if document else None) or page_title
    if document:
        facts = [
            f"by {document.author}" if document.author else "",
            f"published {document.date}" if document.date else "",
        ]
        facts.append(f"on {document.sitename}" if document.sitename else "")
        if any(facts):
            log("The page says: " + ", ".join(fact for fact in facts if fact), "info")
    # The metadata comes a second time, as front matter.
    article = FRONT_MATTER.sub("", document.text or "", count=1) if document else ""
    if article.strip():
        log(f"Found the main article: {count(count_words(article), 'word')}", "info")
        found = list(sections(article))
        log_sections(found, log)
        return title, "\n\n".join(part for _, heading, body in found for part in (heading, body) if part)
    log("No main article found: keeping all the text of the page", "warning")
    etree.strip_elements(tree, etree.Comment, "script", "style", "noscript", "template", "head", with_tail=False)
    return title, "\n".join(text.strip() for text in tree.itertext() if text.strip())
