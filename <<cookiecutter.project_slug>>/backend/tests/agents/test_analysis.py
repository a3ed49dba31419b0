from __future__ import annotations

import pytest

from app.agents.analysis import MAX_SENTENCES, sentences, summary, tags
from tests.here import cost, of_the_server
from tests.ingest.languages import TEXTS

BRIDGES = """# Suspension bridges

A suspension bridge hangs its deck from cables that run over two towers. The suspension bridge is chosen where the
span is long, because cables carry more than beams do. Wind is what a suspension bridge has to fear. Lunch was good.
Cables of a suspension bridge are spun in place, wire by wire, and the towers carry what the cables pull.

```python
def not_a_sentence(cables): return "cables cables cables cables cables cables"
```

| span | year |
|------|------|
| 1280 | 1937 |
"""


def test_tags_are_what_a_text_speaks_of_most() -> None:
    found = tags(BRIDGES)
    assert found[0] == "suspension bridge"
    assert {"cables", "towers"} <= set(found)
    assert not {"the", "where", "bridges", "suspension"} & set(found)


def test_the_forms_of_a_word_are_one_tag() -> None:
    assert tags("Tower. Towers and towers. A tower, and more towers.") == ["towers"]


def test_words_of_another_language_that_mean_nothing_are_no_tags() -> None:
    found = tags(
        "Die Brücke ist lang und die Brücke ist hoch, denn der Turm ist hoch. Das ist die Brücke mit dem Turm."
    )
    assert found[0] == "brücke"
    assert not {"die", "ist", "und", "der", "das", "mit", "dem"} & set(" ".join(found).split())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("城市很大。城市的河流很宽，河流由北向南。", {"城市", "河流"}),
        ("灯台は海を照らします。灯台の光は遠くから見えます。船は光を頼りにします。", {"灯台"}),
        ("สะพานยาวมาก สะพานนี้ข้ามแม่น้ำ แม่น้ำกว้าง", {"สะพาน", "แม่น้ำ"}),
        ("Мост очень длинный. Мост построили за год, и он не новый.", {"мост"}),
    ],
)
def test_tags_are_words_in_any_script(text: str, expected: set[str]) -> None:
    found = tags(text)
    assert expected <= set(found)
    assert max(map(len, found)) <= 12
    assert not {"的", "です", "は", "และ", "не", "и", "он"} & set(found)


@pytest.mark.parametrize("language", TEXTS)
def test_a_text_of_any_script_has_tags_and_a_summary(language: str) -> None:
    whole = sentences(TEXTS[language])
    assert len(whole) >= (1 if language == "th" else 2)
    assert len(tags(TEXTS[language])) == 6
    assert set(summary(whole)) <= set(whole)


def test_numbers_and_what_holds_them_are_no_tags() -> None:
    assert tags("Order b06e6a36-7fe0 of 2024. Order b06e6a36-7fe0 of v2.") == ["order"]


@pytest.mark.parametrize("text", ["", "   \n\n ", "1234 5678 -- !!", "\x00\x01", "\U0001f600" * 50])
def test_a_text_without_words_has_neither_tags_nor_a_summary(text: str) -> None:
    assert tags(text) == []
    assert summary(sentences(text)) == []


def test_headings_code_and_tables_are_no_sentences() -> None:
    found = sentences(BRIDGES)
    assert found[0] == "A suspension bridge hangs its deck from cables that run over two towers."
    assert not [each for each in found if "def " in each or "1937" in each or "#" in each]


def test_a_summary_is_of_sentences_as_they_stand_and_in_their_order() -> None:
    whole = sentences(BRIDGES)
    chosen = summary(whole, 2)
    assert len(chosen) == 2
    assert [each for each in whole if each in chosen] == chosen
    assert "Lunch was good." not in chosen


def test_what_is_said_twice_is_chosen_once() -> None:
    text = "This same sentence is said again. " * 10 + "And there is another one at its end."
    assert sentences(text) == ["This same sentence is said again.", "And there is another one at its end."]


def test_of_a_long_text_a_bounded_part_is_weighed() -> None:
    text = " ".join(
        f"Sentence number {'abcdefghij'[each % 10] * (each + 1)} has quite some words." for each in range(900)
    )
    assert len(sentences(text)) == MAX_SENTENCES


def test_the_work_of_agents_does_not_wait_for_the_servers_own_modules() -> None:
    assert of_the_server("app.agents.analysis", "app.agents.find") == "set()"


@pytest.mark.parametrize("text", ["y" * 200_000, "ay" * 100_000, "“" * 200_000, "a. " * 60_000, "我" * 200_000])
def test_findings_of_a_text_that_is_none_take_no_time(text: str) -> None:
    assert summary(sentences(text)) == []
    found = tags(text)
    assert len(found) <= 6
    assert max(map(len, found), default=0) <= 60
    assert cost(lambda: (summary(sentences(text)), tags(text))) < 15  # a second; by its square, minutes
