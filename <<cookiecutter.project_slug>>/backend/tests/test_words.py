from __future__ import annotations

import random

import pytest

from app.words import count_words, is_spaced, words
from tests.here import cost


def found(text: str, *, parts: bool = False) -> list[str]:
    return [text[start:end] for start, end in words(text, parts=parts)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don't stop-gap it, naïve snake_case!", "Don't stop-gap it naïve snake_case"),
        ("L’été, c’est fini : 3.14 kg", "L’été c’est fini 3 14 kg"),
        ("El col·legi és gran.", "El col·legi és gran"),
        ("____ -a- __b__ — …", "a b"),
        ("in\u00adforma\u00adtion e\u0301cole", "in\u00adforma\u00adtion e\u0301cole"),
        ("Слово ещё раз, г.", "Слово ещё раз г"),
        ("Η Ελλάδα είναι εδώ.", "Η Ελλάδα είναι εδώ"),
        ('ראש צה"ל וגם צה״ל: "שלום"', 'ראש צה"ל וגם צה״ל שלום'),
        ("كِتَابٌ جَدِيدٌ، می\u200cخواهم", "كِتَابٌ جَدِيدٌ می\u200cخواهم"),
        ("हिन्दी में तीन शब्द।", "हिन्दी में तीन शब्द"),
        ("বাংলা ভাষা। தமிழ் மொழி.", "বাংলা ভাষা தமிழ் மொழி"),
        ("한국어 문장은 띄어 쓴다.", "한국어 문장은 띄어 쓴다"),
        ("我们去北京大学看书。", "我们 去 北京 大学 看书"),
        ("毎日電車で会社に行きます。", "毎日 電車 で 会社 に 行き ます"),
        ("𠮷野家 is 𠮷", "𠮷 野家 is 𠮷"),
        ("用iPhone手机拍2024年", "用 iPhone 手机 拍 2024 年"),
        ("ภาษาไทยไม่มีการเว้นวรรค ๒๕๖๗", "ภาษา ไทย ไม่มี การ เว้น วรรค ๒๕๖๗"),
        ("ພາສາລາວ", "ພາສາ ລາວ"),
        ("ភាសាខ្មែរមិនមានចន្លោះ", "ភាសាខ្មែរ មិន មាន ចន្លោះ"),
        ("မြန်မာဘာသာစကားသည်", "မြန်မာဘာသာ စကား သည်"),
        ("", ""),
    ],
)
def test_words_of_every_script(text: str, expected: str) -> None:
    assert found(text) == expected.split()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("L’eau stop-gap snake_case", "L eau stop gap snake case"),
        ("東京都、京", "東京 京都 都 京"),
        ("เที่ยว", "เที่ ที่ย ยว ว"),
        ("𠮷野家A", "𠮷野 野家 家 A"),
    ],
)
def test_parts_are_what_an_index_needs(text: str, expected: str) -> None:
    assert found(text, parts=True) == expected.split()


@pytest.mark.parametrize("text", ["今天天气很好我们去北京大学看书", "ภาษาไทยไม่มีการเว้นวรรค", "東京タワーに行く"])
def test_whatever_piece_of_a_text_without_blanks_is_asked_for_its_parts_are_there(text: str) -> None:
    indexed = found(text, parts=True)
    characters = [start for start, _ in words(text, parts=True)] + [len(text)]
    for start in range(len(indexed)):
        for end in range(start + 1, len(indexed) + 1):
            *whole, last = found(text[characters[start] : characters[end]], parts=True)
            assert indexed[start : end - 1] == whole
            assert indexed[end - 1].startswith(last)


def test_the_length_of_a_run_without_blanks_breaks_no_pair() -> None:
    assert found("中文" * 2_000, parts=True) == ["中文", "文中"] * 1_999 + ["中文", "文"]
    assert "".join(found("中文" * 2_000)) == "中文" * 2_000


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("don't stop-gap it", 3),
        ("你好世界", 4),
        ("カタカナ・語", 5),
        ("ภาษาไทย", 2),
        ("शब्द दो", 2),
        ("__ … 🙂", 0),
        ("用iPhone拍", 3),
    ],
)
def test_words_are_counted_as_word_processors_do(text: str, count: int) -> None:
    assert count_words(text) == count


def test_what_is_ascii_is_counted_by_the_same_rules() -> None:
    chance = random.Random(1)
    for _ in range(500):
        text = "".join(chance.choices("aB1_-'. \n\t", k=30))
        assert count_words(text) == len(found(text)) == count_words(f"{text} é") - 1, text


def test_what_is_ascii_is_counted_in_a_fraction_of_the_time() -> None:
    def seconds(line: str) -> float:
        text = line * 50_000 + "Où ?"
        assert count_words(text) == 8 * 50_000 + 1
        return cost(lambda: count_words(text))

    line = "A lighthouse shows ships where the coast is.\n"
    assert 2 * seconds(line) < seconds(line.replace("coast", "coást"))


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("See https://example.com/a-b, p. 3.14 (and/or) — it’s …", 6),
        ("用iPhone拍，见 https://example.com/x", 5),
        ("ภาษาไทย (ใหม่) ๒๕๖๗", 4),
        ("## Привет, мир!", 2),
    ],
)
def test_words_are_counted_by_blanks_where_there_are_some(text: str, count: int) -> None:
    assert count_words(text, by_blanks=True) == count


@pytest.mark.parametrize("row", ["[", "“", "[\u00ad", "ไ่[", "\u0301", "a_"])
def test_rows_of_what_is_no_word_are_counted_in_a_time_by_their_length(row: str) -> None:
    text = row * 100_000 + " é"
    assert count_words(text, by_blanks=True) > 0
    assert cost(lambda: count_words(text, by_blanks=True)) < 5  # from each character anew: minutes


def test_scripts_with_and_without_blanks_are_told_apart() -> None:
    assert [is_spaced(word) for word in ("word", "слово", "한국어", "शब्द", "词", "ことば", "คำ")] == [True] * 4 + [
        False
    ] * 3
