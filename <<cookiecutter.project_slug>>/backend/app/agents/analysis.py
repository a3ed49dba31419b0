"""What the agents find out about a text: its tags, and the sentences that sum it up.

Importing this takes some tenths of a second and 50 MB: it is done by the thread that needs it first.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from itertools import islice

import sentencex
from nltk.collocations import BigramAssocMeasures, BigramCollocationFinder
from nltk.stem.snowball import SnowballStemmer
from sumy.models.dom import ObjectDocumentModel, Paragraph, Sentence
from sumy.summarizers.lex_rank import LexRankSummarizer
from sumy.utils import get_stop_words

__all__ = ["sentences", "summary", "tags"]

MAX_SENTENCES = 200
"""How many sentences are weighed against each other: the work grows by the square."""

_LANGUAGES = {
    "en": "english", "de": "german", "fr": "french", "es": "spanish", "it": "italian", "pt": "portuguese",
    "sv": "swedish",
}  # fmt: skip
_WORD = re.compile(r"[^\W\d_][\w’'-]*[^\W_]")
_DIGIT = re.compile(r"\d")
_CODE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)


def tags(text: str, limit: int = 6) -> list[str]:
    """The words and pairs of words that a text is about: first pairs, then single words, the foremost first.

    A pair stands together more often than chance would have it. Of the forms of a word the most frequent is given.
    """
    code = _language(text)
    stem, stop = _stemmer(code), _stop_words(code)
    words = [word.lower() for word in _WORD.findall(_CODE.sub("", text))]
    forms = Counter(word for word in words if word not in stop and len(word) > 2 and not _DIGIT.search(word))
    weights: Counter[str] = Counter()
    shown: dict[str, str] = {}
    for form, times in forms.most_common():
        weights[stem(form)] += times
        shown.setdefault(stem(form), form)
    foremost = [each for each, _ in weights.most_common(4 * limit)]

    finder = BigramCollocationFinder.from_words(words)
    finder.apply_freq_filter(2)
    finder.apply_word_filter(lambda word: word not in forms or stem(word) not in foremost)
    found: list[str] = []
    used: set[str] = set()
    for pair in finder.nbest(BigramAssocMeasures.likelihood_ratio, 4 * limit):
        stems = {stem(word) for word in pair}
        if len(stems) == 2 and not stems & used and len(found) < limit // 2:
            found.append(" ".join(pair))
            used |= stems
    return found + [shown[each] for each in foremost if each not in used][: limit - len(found)]


def sentences(text: str) -> list[str]:
    """The sentences of a text that could stand in a summary, in order and each once: no headings, tables or code.

    At most `MAX_SENTENCES`, from the start.
    """
    code = _language(text)
    split = (
        " ".join(sentence.split()).lstrip("-*•> ")
        for paragraph in re.split(r"\n\s*\n", _CODE.sub("", text))
        for sentence in sentencex.segment(code, paragraph)
    )
    return list(islice(dict.fromkeys(filter(_is_prose, split)), MAX_SENTENCES))


def summary(whole: list[str], limit: int = 3) -> list[str]:
    """Of a text's sentences, the `limit` that the others have most in common with (LexRank), in their order."""
    code = _language(" ".join(whole))
    rank = LexRankSummarizer(_stemmer(code))
    rank.stop_words = _stop_words(code)
    words = _Words()
    document = ObjectDocumentModel([Paragraph(Sentence(each, words) for each in whole)])
    return [str(sentence) for sentence in rank(document, limit)]


class _Words:
    """Splits sentences into words for sumy, whose own splitter needs a download."""

    def to_words(self, sentence: str) -> tuple[str, ...]:
        return tuple(_WORD.findall(sentence))


def _is_prose(sentence: str) -> bool:
    spoken = sum(each.isalpha() or each == " " for each in sentence)
    return sentence[:1] != "#" and 5 <= len(_WORD.findall(sentence)) <= 60 and spoken >= 0.85 * len(sentence)


def _language(text: str) -> str:
    """The language whose most frequent words a text has most of; English where it has none."""
    words = Counter(word.lower() for word in _WORD.findall(text[:20_000]))
    return max(_LANGUAGES, key=lambda code: sum(words[word] for word in _stop_words(code)))


@lru_cache
def _stop_words(code: str) -> frozenset[str]:
    return frozenset(get_stop_words(_LANGUAGES[code]))


def _stemmer(code: str) -> Callable[[str], str]:
    stemmer: Callable[[str], str] = SnowballStemmer(_LANGUAGES[code]).stem
    return lru_cache(maxsize=50_000)(stemmer)
