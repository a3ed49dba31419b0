"""Which language a text is in, and where its sentences end."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import regex
import sentencex
from icu4py.breakers import SentenceBreaker

from app.words import words

__all__ = ["frequent_words", "language_of", "sentences"]

_FREQUENT = {
    "en": "the and of to in is that it was for on with as his they at be this from have not are",
    "de": "der die und das nicht ist ein eine zu den mit sich auf dem des im wird auch von es am wurde er",
    "fr": "le la les et des est un une dans que qui pour pas sur au ce il elle avec du plus",
    "es": "el la los y de que en un una es por con se las del para no su lo como más",
    "pt": "o os as e de que em um uma é para com não se da do na no por mais ao",
    "it": "il di che e è un una per non in sono della con del gli le si alla anche più lo",
    "nl": "de het een en van is dat niet op te zijn met voor er aan ook hij werd",
    "sv": "och att det som en på är av för med den till inte om ett han var från",
    "da": "og det at en den til er som på de med for ikke der var af et blev",
    "nb": "og det som en på er av til for med at ikke den har et ble fra jeg etter",
    "fi": "ja on ei se että hän oli mutta joka kun niin myös ovat hänen tai sen kuin",
    "pl": "i w nie się na z że do jest to jak po ale od przez za jego był przy",
    "cs": "a se v na je že to s z do ale jako by jsem po byl za pro který v",
    "sk": "a sa v na je že to s z do ale ako by som po bol za pre ktorý",
    "hu": "a az és hogy nem is egy ez volt meg csak de van el mint már még",
    "ro": "și şi în de la cu pe este că nu un o din sau care pentru mai fost",
    "hr": "i je u na se da su za od s što nije koji bio kao ali iz",
    "tr": "ve bir bu da de için çok ile ne gibi daha var olarak sonra ama kadar",
    "vi": "và của là có không được trong cho một những các người với đã này để",
    "id": "yang dan di dengan untuk tidak dari ini itu pada adalah ke dalam akan",
    "ru": "и в не на что с он как это по но к из у за от так его было то",
    "uk": "і в не на що з він як це та до але у за від його було й",
    "bg": "и в не на че с той като това по но от за да е се са",
    "sr": "и је у на се да су за од са што није који био као али из",
    "el": "και το να του η της με που την από για είναι ο στο δεν τα θα",
    "he": "את של על לא הוא זה עם אל היה גם כי או היא אני",
    "ar": "في من على أن إلى التي هذا عن مع كان لا ما هذه الذي",
    "fa": "و در به از که این را با است برای آن یک می خود",
    "hi": "के में की है का और को से पर यह कि ने एक हैं",
    "zh": "的 了 在 是 和 我 我们 他 这 有 不 就 也 都 把 被",
    "ja": "の は を に が と で も た て し です ます から いる",
    "ko": "이 그 수 있는 있다 것은 및 등 것이 할 한 더 우리는",
    "th": "ที่ และ ใน เป็น การ ของ มี ได้ ไม่ ให้ จะ ว่า จาก",
}
_WORDS = {code: frozenset(frequent.split()) for code, frequent in _FREQUENT.items()}
# Beside these, what a sentence after a single letter begins with: no name does (`Plan B. Then`, and not `J. S. Bach`).
_FIRST = {
    "en": "then we he she you i there here if when after a an but so what these those my our their its",
    "de": "dann wir sie ich du ihr dies diese dieser dieses wenn aber hier man so was wer danach deshalb",
    "fr": "nous vous ils elles je tu on puis alors mais si cette ces c j l qu quand après cela ensuite",
    "es": "luego nosotros ellos ella él yo tú pero si cuando esto este esta después entonces hay",
    "pt": "então nós eles ela ele eu mas quando isto isso este esta depois há",
    "it": "poi noi loro lui lei io ma quando questo questa dopo allora c l i ho",
    "nl": "dan wij we ik jij je zij ze maar als deze dit daarna toen wie wat er",
    "sv": "sedan vi jag du han hon de men när detta denna efter då här",
    "da": "så vi jeg du han hun de men når dette denne efter derefter her",
    "nb": "så vi jeg du han hun de men når dette denne etter deretter her",
    "fi": "sitten me minä sinä he mutta kun tämä nämä jos sen jälkeen",
    "pl": "potem my wy on ona oni ja ty ale gdy ten ta te wtedy następnie",
    "cs": "pak my vy on ona oni já ty když ten ta tento potom",
    "sk": "potom my vy on ona oni ja ty keď ten tá tento",
    "hu": "aztán mi ti ő ők én te amikor ha akkor ezután",
    "ro": "apoi noi voi el ea ei eu tu dar când acest această după",
    "hr": "zatim mi vi on ona oni ja ti ali kada ovaj ova onda",
    "tr": "sonra biz siz o onlar ben sen ama eğer bunlar bundan",
    "ru": "потом мы вы они она я ты если когда этот эта затем тогда",
    "uk": "потім ми ви вони вона я ти якщо коли цей ця тоді",
    "bg": "после ние вие те тя аз ти ако когато този тази тогава",
    "sr": "затим ми ви они она ја ти али када овај ова онда",
    "el": "μετά εμείς εσείς αυτός αυτή αυτό εγώ αν όταν τότε ύστερα οι",
}
_FIRST_WORDS = {code: frozenset(first.split()) for code, first in _FIRST.items()}
# Where a number with a full stop is an ordinal, before a noun that may begin with a capital: `am 3. Oktober`.
_ORDINALS = frozenset(("de", "da", "nb", "fi", "cs", "sk", "hu", "hr", "tr", "pl"))
_ORDINAL = re.compile(r"(?<![\d.,])\d{1,2}\.$")
# After what neither library takes for an abbreviation in all its forms.
_ABBREVIATION = re.compile(
    r"(?<!\w)(?:Mmes?|Mlles?|Mgr|Srt?as?|Dras?|Dott|Sigg?|Avv|Ing|Dhr|Mevr|bzw|ул|пр|им|гг?|см|стр|вул|р|рр)\.$",
    re.IGNORECASE,
)
_LETTER = re.compile(r"(?<!\w)[^\W\d_]\.(?=\s)")
# `z. B.`, and what counts in a list.
_NO_END = regex.compile(r"(?<!\w)\p{Ll}\.\s\p{L}\.$|^\W*\p{L}\.$")
_NEXT = re.compile(r"[^\w¿¡]*(?:([¿¡])|(\w+)(\.?))")
# sentencex takes a time by the square of what it is given where sentences end without a blank after them.
_PIECE = 4_000  # characters
_MOST = 16_000
"""So many it is given at once, whatever they are: of nothing but quotation marks it takes a time by the square, too."""
# An end that is none of an abbreviation, nor of an ordinal.
_SURE_END = regex.compile(r"\w{5}[.!?…][\"”»')]*\s+(?=[\p{Lu}\p{Lo}])")
# What ends a sentence wherever it stands, and the quotation marks in which sentencex ends none.
_END_OR_QUOTE = regex.compile(
    r'(?V1)(?P<end>(?<![\p{STerm}--.])[\p{STerm}--.]++(?=[\p{Lu}\p{Lo}]))|(?P<opens>[“「『])|(?P<closes>[”」』])|"'
)


def frequent_words(language: str) -> frozenset[str]:
    """Some of the most frequent words of a language, by its code; none of one that is not known."""
    return _WORDS.get(language, frozenset())


def language_of(text: str) -> str:
    """The code (ISO 639-1) of the language of whose most frequent words the first 20,000 characters have most: one of
    33; `en` where they have none of any."""
    text = text[:20_000].lower()
    found = Counter(text[start:end] for start, end in words(text))
    return max(_WORDS, key=lambda code: sum(found[word] for word in _WORDS[code]))


def sentences(text: str, language: str) -> Iterator[str]:
    """The sentences of a text, in their order, without the blanks around them.

    sentencex says where they end. After a full stop, which is also that of abbreviations and ordinals, ICU must agree
    or the next word be one that begins sentences; after a single letter it must. None ends before a small letter.

    Arguments:
        text: some prose, such as a paragraph. The time is in proportion to its length.
        language: the code of its language (`language_of`), which has the abbreviations.
    """
    for piece in _pieces(text):
        yield from _sentences(piece, language)


def _pieces(text: str) -> Iterator[str]:
    start, quoted = 0, False
    for found in _END_OR_QUOTE.finditer(text):
        while found.start() - start > _MOST:
            end = _cut(text, start)
            yield text[start:end]
            start, quoted = end, False
        if not found["end"]:
            quoted = bool(found["opens"]) or not (found["closes"] or quoted)
        elif found.end() - start >= (2 * _PIECE if quoted else _PIECE):
            yield text[start : found.end()]
            start, quoted = found.end(), False
    while len(text) - start > _MOST:
        end = _cut(text, start)
        yield text[start:end]
        start = end
    yield text[start:]


def _cut(text: str, start: int) -> int:
    """Where to cut what goes on for too long: after a sentence, or else after a word, if there is one."""
    middle, most = start + _MOST // 2, start + _MOST
    ends = [found.end() for found in _SURE_END.finditer(text, middle, most)]
    return ends[-1] if ends else text.rfind(" ", middle, most) + 1 or most


def _sentences(text: str, language: str) -> Iterator[str]:
    ends: set[int] | None = None  # as ICU has them; made once they are needed, which takes longer than a short text
    letters = {found.end() for found in _LETTER.finditer(text)}
    start = 0
    for end in sorted(letters.union(_ends(text, language))):
        found, rest = text[start:end].strip(), text[end : end + 20].lstrip()
        if found.endswith(".") and rest:
            if ends is None:
                ends = set(_ends_of_icu(text, language))
            agreed = _begins(rest, language) or (end in ends and end not in letters)
            if not agreed or rest[0].islower() or _goes_on(found, language):
                continue
        yield found
        start = end
    if text[start:].strip():
        yield text[start:].strip()


def _ends_of_icu(text: str, language: str) -> Iterator[int]:
    end = 0
    for piece in SentenceBreaker(text, f"{language}@ss=standard"):
        end += len(piece)
        yield end - len(piece) + len(piece.rstrip())


def _ends(text: str, language: str) -> Iterator[int]:
    end = 0
    for sentence in sentencex.segment(language, text):
        if found := sentence.strip():
            end = text.index(found, end) + len(found)
            yield end


def _begins(rest: str, language: str) -> bool:
    """Whether a text goes on with a word that begins sentences, and is no initial."""
    found = _NEXT.match(rest)
    if found is None or found[1]:
        return found is not None
    word = found[2].lower()
    initial = len(word) == 1 and found[3] == "."
    return not initial and (word in frequent_words(language) or word in _FIRST_WORDS.get(language, ()))


def _goes_on(sentence: str, language: str) -> bool:
    end = sentence[-12:]
    return bool(_ABBREVIATION.search(end) or _NO_END.search(end) or (language in _ORDINALS and _ORDINAL.search(end)))
