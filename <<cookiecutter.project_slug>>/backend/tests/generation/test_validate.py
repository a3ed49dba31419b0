from __future__ import annotations

from pathlib import Path

import pytest

from app.generation.markdown import find_links, format_markdown
from app.generation.prompt import Prompt, Prompts
from app.generation.validate import validate
from tests.generation.texts import GOOD_DRAFT, LIGHTHOUSES

PROMPTS = Prompts(Path(__file__).parents[2] / "app" / "generation" / "prompts")


@pytest.fixture
async def summary() -> Prompt:
    prompt = await PROMPTS.get("summary")
    assert prompt is not None
    return prompt


pytestmark = pytest.mark.anyio


def problems(draft: str, prompt: Prompt, source: str = LIGHTHOUSES) -> list[str]:
    return [problem.message for problem in validate(draft, prompt=prompt, length="standard", source=source)]


async def test_a_draft_that_keeps_the_rules_has_no_problems(summary: Prompt) -> None:
    assert problems(GOOD_DRAFT, summary) == []


async def test_each_missing_heading_is_named(summary: Prompt) -> None:
    assert problems(GOOD_DRAFT.replace("## In short", "## Summary"), summary) == [
        "The heading “## In short” is missing."
    ]
    assert problems(GOOD_DRAFT.replace("## ", "### "), summary) == [
        "The heading “## Key points” is missing.",
        "The heading “## In short” is missing.",
    ]


async def test_the_headings_keep_their_order_and_have_no_others_beside_them(summary: Prompt) -> None:
    first, second = GOOD_DRAFT.split("## In short")
    assert problems(f"## In short\n{second}\n{first}", summary) == [
        "The headings are “## In short”, “## Key points”: they must be “## Key points”, “## In short”."
    ]
    assert "“## More”" in problems(GOOD_DRAFT + "\n## More\n\nAnd more.\n", summary)[0]


async def test_something_stands_under_each_heading(summary: Prompt) -> None:
    empty = GOOD_DRAFT.split("## In short")[0] + "## In short\n"
    assert problems(empty, summary) == ["There is nothing under “## In short”."]


async def test_a_heading_in_a_code_block_is_none(summary: Prompt) -> None:
    assert "The heading “## Key points” is missing." in problems(f"```\n{GOOD_DRAFT}```\n", summary)


async def test_a_draft_is_neither_too_long_nor_too_short(summary: Prompt) -> None:
    assert problems(GOOD_DRAFT + "word " * 300, summary) == ["It has 349 words: write 320 at most."]
    short = "## Key points\n\n- Towers.\n\n## In short\n\nLight.\n"
    assert problems(short, summary) == ["It has 6 words: write 20 at least."]
    assert problems(short, summary, source="Towers give light to ships.") == []  # the source itself is short


async def test_a_link_stands_in_the_source_and_leads_somewhere(summary: Prompt) -> None:
    good = GOOD_DRAFT + "\nMore: <https://example.com/fresnel>\n"
    assert problems(good, summary) == []
    made_up = GOOD_DRAFT + "\nMore: [lenses](https://example.com/lenses)\n"
    assert problems(made_up, summary) == ["The link https://example.com/lenses is not in the text: leave it out."]
    relative = "See [the drawings](/drawings.html)."
    assert problems(f"{GOOD_DRAFT}\n{relative}\n", summary, source=LIGHTHOUSES + relative) == [
        "The link /drawings.html leads nowhere outside of the text: leave it out, and keep its words."
    ]
    broken = "See <http://[drawings]/a> or http://:80/b."
    assert len(problems(f"{GOOD_DRAFT}\n{broken}\n", summary, source=LIGHTHOUSES + broken)) >= 1


async def test_links_are_found_however_they_are_written() -> None:
    text = "[one](https://a.example/x 'T') <https://b.example> ![pic](https://c.example/p.png) https://d.example/a_b_c."
    assert find_links(text) == {
        "https://a.example/x": "one",
        "https://b.example": "https://b.example",
        "https://c.example/p.png": "pic",
        "https://d.example/a_b_c": "https://d.example/a_b_c",
    }


async def test_markdown_has_one_form() -> None:
    assert format_markdown("```markdown\n# A\n* b\n* c\n```") == "# A\n\n- b\n- c\n"
    assert format_markdown("Title\n=====\n\n\n\ntext  \n```py\nx\n```\n") == "# Title\n\ntext\n\n```py\nx\n```\n"
