"""Pages that stand in front of a page: they hold nothing that anybody wants to keep."""

from __future__ import annotations

import re
from typing import Any

from app.ingest.readers.common import count_words

__all__ = ["wall"]

_SHORT = 120
"""Words: a page with more text is something to read, whatever it asks for."""

# The word JavaScript is the same in all languages; what is asked of the reader is said near it.
_JAVASCRIPT = re.compile(
    r"javascript.{0,80}(?:enable|activ|disabled|deaktiv|aktiv|required?|requires|support|erforder|benötig|nécessaire|"
    r"habilit|desativ|ativ|attiv|abilit|включ|отключ|нужен|требу|увімк|etkin|włącz|wymaga|povol|zapn|inschakel|käyttöö|"
    r"ενεργοπ|有効|無効|必要|启用|禁用|開啟|啟用|사용|활성|تفعيل)"
    r"|(?:enabl|activ|aktiv|disabl|need|requir|without|support|benötig|erforder|nécessit|habilit|ativ|attiv|abilit|"
    r"включ|требу|увімк|etkin|włącz|wymaga|povol|zapn|inschakel|ενεργοπ|启用|啟用|開啟|تفعيل).{0,80}javascript",
    re.IGNORECASE | re.DOTALL,
)
_DENIED = re.compile(
    r"\b(?:access (?:is |was )?(?:denied|forbidden)|"
    r"40[13] (?:forbidden|unauthorized|-)|error 1020|"
    r"request (?:was )?blocked|you have been blocked|zugriff verweigert|accès (?:refusé|interdit)|"
    r"acceso denegado|acesso negado|accesso negato|"
    r"toegang geweigerd|åtkomst nekad|odmowa dostępu|přístup odepřen|"
    r"доступ (?:запрещ|ограничен|закрыт)|erişim engellendi)"
    r"|アクセスが拒否|アクセス権限がありません|访问被拒绝|禁止访问|拒絕存取|접근이 거부|تم رفض الوصول",
    re.IGNORECASE,
)
_HUMAN = re.compile(
    r"captcha|just a moment\W|attention required|checking (?:if )?(?:your browser|the site connection)|unusual traffic|"
    r"(?:not|no|kein|pas un|non|não) (?:a |an |un |um |ein )?robot|are you (?:a )?(?:human|robot)|"
    r"you(?:'|’)?(?:'re| are) (?:a )?human|"
    r"verif\w* (?:that )?you are|не робот|ロボットではありません|人机验证|로봇이 아닙니다|pardon our interruption",
    re.IGNORECASE,
)
_HUMAN_MARKUP = re.compile(
    r"challenges\.cloudflare\.com|captcha-delivery\.com|_Incapsula_Resource|h-captcha|g-recaptcha"
)
_CONSENT = re.compile(
    r"cookie|consent|privacy|gdpr|dsgvo|rgpd|einwillig|datenschutz|confidentialit|privacidad|privacidade|персональн|"
    r"クッキー|プライバシー|隐私|隱私|쿠키",
    re.IGNORECASE,
)
_ACCEPT = re.compile(
    r"accept|agree|allow|akzept|zustimm|einverstanden|acept|aceit|accett|godkänn|godta|tillåt|hyväk|akcept|přij|souhlas|"
    r"принять|принимаю|соглас|прийняти|kabul|elfogad|αποδ|同意|許可|接受|동의|허용|موافق|אישור",
    re.IGNORECASE,
)
_MOUNTS = ("root", "app", "__next", "__nuxt", "svelte", "main-app", "react-root", "application")


def wall(tree: Any, visible: list[str], title: str) -> str | None:
    """What a page wants in place of showing its text, in a few words; None for a page with text of its own.

    Arguments:
        tree: the parsed page.
        visible: its pieces of text, as a reader without scripts sees them, without those of `noscript`.
        title: what it calls itself.
    """
    text = "\n".join(visible)[:20_000]
    words = count_words(text)
    if words > _SHORT:
        asked = [block for block in visible if _CONSENT.search(block)]
        # Walls of consent are long, but hold nothing else.
        return _consent(tree, asked, visible) if words <= 4 * _SHORT else None
    if _DENIED.search(title) or _DENIED.search(text):
        return "says that access is denied"
    if _HUMAN.search(f"{title}\n{text}") or (words < 40 and any(_HUMAN_MARKUP.search(each) for each in _sources(tree))):
        return "wants a proof that you are human"
    scripts = tree.find(".//script") is not None
    unscripted = " ".join(each.text_content() for each in tree.iter("noscript"))
    if _JAVASCRIPT.search(text) or (scripts and words < 30 and _JAVASCRIPT.search(unscripted)):
        return "asks for JavaScript"
    mounts = tree.xpath("//body//*[@id]")
    if scripts and words < 15 and any(_is_empty_mount(each) for each in mounts):
        return "is filled by JavaScript"
    return _consent(tree, [block for block in visible if _CONSENT.search(block)], visible)


def _consent(tree: Any, asked: list[str], visible: list[str]) -> str | None:
    rest = [block for block in visible if block not in asked and count_words(block) > 8]
    words, asking = sum(map(count_words, visible)), sum(map(count_words, asked))
    if len(asked) < 2 or asking < 15 or 2 * asking < words or sum(map(count_words, rest)) >= 40:
        return None
    buttons = (
        each.text_content() if each.tag != "input" else each.get("value") or ""
        for each in tree.iter("button", "a", "input")
    )
    return "asks for consent" if any(_ACCEPT.search(label[:60]) for label in buttons) else None


def _sources(tree: Any) -> list[str]:
    return [each.get("src") or each.get("class") or "" for each in tree.iter("script", "iframe", "div")]


def _is_empty_mount(element: Any) -> bool:
    return (element.get("id") or "").lower() in _MOUNTS and count_words(element.text_content()) < 5
