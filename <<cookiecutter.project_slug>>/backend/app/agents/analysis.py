"""What the agents find out about a text: its tags, the sentences that sum it up, and its terms. It is done in processes
apart from the server."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import islice

from nltk.collocations import BigramAssocMeasures, BigramCollocationFinder
from nltk.stem.snowball import SnowballStemmer
from sumy.models.dom import ObjectDocumentModel, Paragraph, Sentence
from sumy.summarizers.lex_rank import LexRankSummarizer
from sumy.utils import get_stop_words

from app.sentences import frequent_words, language_of
from app.sentences import sentences as split
from app.terms import joined_terms
from app.words import count_words, is_spaced, words

__all__ = ["index", "sentences", "summary", "tags"]

MAX_SENTENCES = 200
"""How many sentences are weighed against each other: the work grows by the square."""

# As sumy calls the languages that it has stop words of, and nltk those that it has a stemmer for.
_LANGUAGES = {
    "ar": "arabic", "cs": "czech", "da": "danish", "de": "german", "el": "greek", "en": "english", "es": "spanish",
    "fi": "finnish", "fr": "french", "he": "hebrew", "hu": "hungarian", "it": "italian", "ja": "japanese",
    "ko": "korean", "nb": "norwegian", "nl": "dutch", "pl": "polish", "pt": "portuguese", "ro": "romanian",
    "ru": "russian", "sk": "slovak", "sv": "swedish", "th": "thai", "uk": "ukrainian", "zh": "chinese",
}  # fmt: skip
_LONGEST = 60  # characters of a tag
_DIGIT = re.compile(r"\d")
_HIRAGANA = re.compile(r"[\u3041-\u309f]+")  # endings and particles, mostly
_CODE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)


def tags(text: str, limit: int = 6) -> list[str]:
    """The words and pairs of words that a text is about: first pairs, then single words, the foremost first.

    A pair stands together more often than chance would have it. Of the forms of a word the most frequent is given.
    """
    code = language_of(text)
    stem, stop = _stemmer(code), _stop_words(code)
    all_words = [word.lower() for word in _words(_CODE.sub("", text))]
    forms = Counter(
        word
        for word in all_words
        if word not in stop
        and (2 if is_spaced(word) else 1) < len(word) <= _LONGEST
        and not _DIGIT.search(word)
        and not _HIRAGANA.fullmatch(word)
    )
    weights: Counter[str] = Counter()
    shown: dict[str, str] = {}
    for form, times in forms.most_common():
        weights[stem(form)] += times
        shown.setdefault(stem(form), form)
    foremost = [each for each, _ in weights.most_common(4 * limit)]

    finder = BigramCollocationFinder.from_words(all_words)
    finder.apply_freq_filter(2)
    finder.apply_word_filter(lambda word: word not in forms or stem(word) not in foremost)
    found: list[str] = []
    used: set[str] = set()
    for pair in finder.nbest(BigramAssocMeasures.likelihood_ratio, 4 * limit):
        stems = {stem(word) for word in pair}
        if len(stems) == 2 and not stems & used and len(found) < limit // 2:
            found.append((" " if any(map(is_spaced, pair)) else "").join(pair))
            used |= stems
    return found + [shown[each] for each in foremost if each not in used][: limit - len(found)]


def sentences(text: str) -> list[str]:
    """The sentences of a text that could stand in a summary, in order and each once: no headings, tables or code.

    At most `MAX_SENTENCES`, from the start.
    """
    code = language_of(text)
    found = (
        " ".join(sentence.split()).lstrip("-*•> ")
        for paragraph in re.split(r"\n\s*\n", _CODE.sub("", text))
        for sentence in split(paragraph, code)
    )
    return list(islice(dict.fromkeys(filter(_is_prose, found)), MAX_SENTENCES))


def summary(whole: list[str], limit: int = 3) -> list[str]:
    """Of a text's sentences, the `limit` that the others have most in common with (LexRank), in their order."""
    if len(whole) <= limit:
        return list(whole)
    code = language_of(" ".join(whole))
    rank = LexRankSummarizer(_stemmer(code))
    rank.stop_words = _stop_words(code)
    tokenizer = _Tokenizer()
    document = ObjectDocumentModel([Paragraph(Sentence(each, tokenizer) for each in whole)])
    return [str(sentence) for sentence in rank(document, limit)]


def index(text: str) -> tuple[int, str]:
    """How many words a text has, and its terms with blanks between them."""
    return count_words(text), " ".join(joined_terms(text))


class _Tokenizer:
    """Splits sentences into words for sumy, whose own splitter needs a download."""

    def to_words(self, sentence: str) -> tuple[str, ...]:
        return tuple(_words(sentence))


def _words(text: str) -> Iterator[str]:
    """The words of a text that begin with a letter."""
    return (text[start:end] for start, end in words(text) if text[start].isalpha())


def _is_prose(sentence: str) -> bool:
    spoken = sum(unicodedata.category(each)[0] in "LMZ" for each in sentence)
    number = sum(1 for _ in islice(_words(sentence), 61))
    return sentence[:1] != "#" and 5 <= number <= 60 and spoken >= 0.85 * len(sentence)


@lru_cache
def _stop_words(code: str) -> frozenset[str]:
    try:
        return frequent_words(code) | frozenset(get_stop_words(_LANGUAGES.get(code, "")))
    except LookupError:
        return frequent_words(code)


def _stemmer(code: str) -> Callable[[str], str]:
    name = _LANGUAGES.get(code, "")
    stemmer: Callable[[str], str] = SnowballStemmer(name).stem if name in SnowballStemmer.languages else str
    return lru_cache(maxsize=50_000)(stemmer)
