from __future__ import annotations

import re
from pathlib import Path

import pytest

from app.generation.extractive import ExtractiveProvider
from app.generation.markdown import format_markdown
from app.generation.pipeline import MAX_RETRIES
from app.generation.prompt import Length, Prompt, Prompts
from app.generation.provider import Attempt, Task
from app.generation.reading import key_sentences, read
from app.generation.validate import count_words, validate
from app.jobs import JobError
from app.sentences import sentences
from tests.clusters import WHOLE, expect_whole
from tests.generation.texts import LIGHTHOUSES
from tests.here import Here
from tests.ingest.languages import TEXTS

pytestmark = pytest.mark.anyio

HINDI = "कल शाम हम नदी के किनारे टहलने गए थे। दादी ने हमें अपने बचपन की कहानी सुनाई। फिर हमने घर आकर चाय पी।"
PROMPTS = Prompts(Path(__file__).parents[2] / "app" / "generation" / "prompts")


async def load(name: str) -> Prompt:
    prompt = await PROMPTS.get(name)
    assert prompt is not None
    return prompt


async def draft(task: Task) -> str:
    pieces = [piece async for piece in ExtractiveProvider(Here()).generate(task, lambda message, done: None)]
    return format_markdown("".join(pieces))


def flat(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("name", ["summary", "outline", "briefing"])
@pytest.mark.parametrize("length", ["short", "standard", "long"])
async def test_every_prompt_gets_a_draft_that_keeps_its_rules(name: str, length: Length) -> None:
    prompt = await load(name)
    text = await draft(Task(LIGHTHOUSES, prompt, length))
    assert validate(text, prompt=prompt, length=length, source=LIGHTHOUSES) == []


async def test_every_sentence_is_one_of_the_text() -> None:
    text = await draft(Task(LIGHTHOUSES, await load("summary"), "standard"))
    lines = [line.removeprefix("- ") for line in text.splitlines() if line and not line.startswith("## ")]
    assert len(lines) == 6  # five points, and the paragraph
    for line in lines:
        for sentence in re.split(r"(?<=\.) (?=[A-Z])", line):
            assert flat(sentence) in flat(LIGHTHOUSES)


async def test_an_outline_is_built_as_the_text_is() -> None:
    text = await draft(Task(LIGHTHOUSES, await load("outline"), "standard"))
    assert re.findall(r"^- \*\*(.*)\*\*$", text, re.MULTILINE) == ["Lighthouses", "The lens", "The keepers"]
    lens = text.split("**The lens**")[1].split("**The keepers**")[0]
    assert "Fresnel" in lens


async def test_longer_is_longer() -> None:
    prompt = await load("summary")
    short, standard, long = [
        count_words(await draft(Task(LIGHTHOUSES, prompt, length))) for length in ("short", "standard", "long")
    ]
    assert short < standard < long


async def test_a_draft_that_was_too_long_comes_back_shorter() -> None:
    prompt = (await load("summary")).model_copy(update={"min_words": 5, "max_words": 60})
    earlier: tuple[Attempt, ...] = ()
    lengths = []
    while True:
        text = await draft(Task(LIGHTHOUSES, prompt, "standard", earlier))
        lengths.append(count_words(text))
        problems = validate(text, prompt=prompt, length="standard", source=LIGHTHOUSES)
        if not problems:
            break
        assert [problem.message for problem in problems] == [f"It has {lengths[-1]} words: write 60 at most."]
        earlier += (Attempt(text, tuple(problems)),)
    assert lengths == sorted(lengths, reverse=True)
    assert 1 <= len(earlier) <= MAX_RETRIES


async def test_links_that_were_refused_come_back_as_words() -> None:
    source = "The plans of the tower are [in the archive](/archive/7), and [a copy](https://example.com/7) is online."
    prompt = await load("summary")
    first = await draft(Task(source, prompt, "standard"))
    problems = validate(first, prompt=prompt, length="standard", source=source)
    assert [problem.link for problem in problems] == ["/archive/7"]
    second = await draft(Task(source, prompt, "standard", (Attempt(first, tuple(problems)),)))
    assert "The plans of the tower are in the archive, and [a copy](https://example.com/7) is online." in second


async def test_a_text_of_any_shape_gets_its_headings_and_no_others() -> None:
    prompt = await load("briefing")
    for source in (
        "One short line",
        "# only a heading\n\nand. a. few. bits.",
        "- # Not a heading of the draft\n- 1. nor a list in a list\n",
        "没有空格的文字也可以。第二句话在这里。第三句话也在这里。",
        "word " * 5000,
        "x" * 20000,
        "<script>alert(1)</script> is what the page said when it was opened by a visitor.",
    ):
        text = await draft(Task(source, prompt, "standard"))
        assert re.findall(r"^#+ .*$", text, re.MULTILINE) == ["## In short", "## Details", "## Links"], source


async def test_a_text_without_sentences_says_so() -> None:
    with pytest.raises(JobError, match="no sentences"):
        await draft(Task("# A heading\n\n| a | b |\n|---|---|\n| 1 | 2 |\n", await load("summary"), "standard"))


async def test_parts_and_sentences_are_those_of_the_text() -> None:
    source = (
        "Before all.\n\n# One\n\nDr. Smith came at 3 p.m. sharp. Then\nhe left!\n\n    indented\n\n"
        "```\ncode\n```\n## Two\n- item\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"
    )
    assert [(part.title, part.sentences) for part in read(source)] == [
        ("", ("Before all.",)),
        ("One", ("Dr. Smith came at 3 p.m. sharp.", "Then he left!", "indented")),
        ("Two", ("item",)),
    ]


async def test_the_sentences_chosen_are_those_that_others_repeat() -> None:
    sentences = (
        "The harbour was closed because of the storm.",
        "My aunt has bought a green bicycle.",
        "Because of the storm all the ships stayed in the harbour.",
        "The storm closed the harbour to ships for two days.",
    )
    assert "My aunt has bought a green bicycle." not in key_sentences(sentences, 2)
    assert key_sentences(sentences, 9) == sentences


@pytest.mark.parametrize(
    ("language", "url_line"),
    [
        ("zh", "参见 https://example.com/zh 。"),
        ("ja", "詳しくは https://example.com/ja を見てください。"),
        ("th", "ดูที่ https://example.com/th"),
        ("ru", "См. https://example.com/ru за 1950 г. и далее."),
        ("hi", "https://example.com/hi देखें।"),
        ("ko", "https://example.com/ko 을 보라."),
    ],
)
@pytest.mark.parametrize("name", ["summary", "briefing"])
async def test_a_draft_is_made_of_the_text_in_any_script(language: str, url_line: str, name: str) -> None:
    written = TEXTS.get(language, HINDI)
    source = f"{written}\n\n{url_line}\n"
    prompt = await load(name)
    text = await draft(Task(source, prompt, "standard"))
    assert validate(text, prompt=prompt, length="standard", source=source) == []
    found = [each for each in sentences(written, language) if each in flat(text)]
    assert len(found) >= min(2, len(list(sentences(written, language))))


@pytest.mark.parametrize(
    "line",
    [
        "## is how a second heading begins in it",
        "### Three",
        "> a quotation is what this line begins like",
        "``` begins the code of it here",
        "3. Oktober war es, als alles begann",
        "--- --- ---",
        "=====",
        "[label]: https://example.com/label is where it leads",
        "| a | b | c | d",
        "+ one more for the list",
    ],
)
async def test_a_sentence_that_looks_like_markup_stays_a_sentence(line: str) -> None:
    source = f"Yes! {line} and more of it here."
    prompt = await load("summary")
    text = await draft(Task(source, prompt, "standard"))
    assert validate(text, prompt=prompt, length="standard", source=source) == []


@pytest.mark.parametrize("whole", WHOLE, ids=ascii)
def test_a_sentence_that_is_too_long_is_not_cut_within_a_character(whole: str) -> None:
    expect_whole(lambda text: read(text)[0].sentences[0], whole)
