from __future__ import annotations

from pathlib import Path

import pytest

from app.generation.draft import has_marks, only_draft, split_reasoning, without_marks
from app.generation.prompt import Prompt, Prompts
from tests.generation.texts import GOOD_DRAFT, LIGHTHOUSES

pytestmark = pytest.mark.anyio

PROMPTS = Prompts(Path(__file__).parents[2] / "app" / "generation" / "prompts")


@pytest.fixture
async def summary() -> Prompt:
    prompt = await PROMPTS.get("summary")
    assert prompt is not None
    return prompt


REASONING = [
    "<thinking>Hm.</thinking>\n",
    "<think budget='9'>\nHm.\n</think>\n\n",
    "<reasoning>Hm.</reasoning>",
    "<reflection>\nHm.\n</reflection>\n",
    "<thinking>Hm.</thinking>\n",
    "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>",
    "<|start|>assistant<|channel|>analysis<|message|>Hm.<|end|>",
    "<|START_THINKING|>Hm.<|END_THINKING|>",
    "<|begin_of_thought|>Hm.<|end_of_thought|>\n",
    "<|assistant|><think>Hm.</think>",
    "<my_plan>\nHm.\n</my_plan>\n\n",  # a name that nobody knows
]


@pytest.mark.parametrize("before", REASONING)
async def test_reasoning_is_known_by_its_tags_also_by_some_that_nobody_knows(before: str) -> None:
    thoughts, rest = split_reasoning(before + GOOD_DRAFT, whole=True)
    assert (thoughts, without_marks(rest)[0].lstrip()) == ("Hm.", GOOD_DRAFT)


@pytest.mark.parametrize("before", REASONING)
async def test_no_tag_is_shown_while_it_comes(before: str) -> None:
    for end in range(len(before) + 1):
        _, rest = split_reasoning(before[:end], whole=False)
        if "my_plan" not in before:  # it may be text until the heading is there
            assert without_marks(rest)[0].strip() == "", end


async def test_reasoning_without_an_end_is_no_draft() -> None:
    assert split_reasoning("<thinking>\nHm.", whole=True) == ("Hm.", "")
    assert split_reasoning("<|channel|>analysis<|message|>Hm.", whole=True) == ("Hm.", "")


async def test_an_element_around_the_draft_is_no_reasoning(summary: Prompt) -> None:
    answer = f"<answer>\n{GOOD_DRAFT}</answer>\n"
    assert split_reasoning(answer, whole=True) == ("", answer)
    assert only_draft(answer, summary, LIGHTHOUSES) == (GOOD_DRAFT, ["<answer>", "</answer>"])


@pytest.mark.parametrize(
    "mark",
    ["<|im_end|>", "<|eot_id|>", "</s>", "<|endoftext|>", "<end_of_turn>", "<eos>", "<｜end▁of▁sentence｜>",
     "<|foo_7|>", "<|return|>", "[/INST]", "<|END_OF_TURN_TOKEN|>", "<|end|>"],
)  # fmt: skip
async def test_a_mark_of_the_models_own_is_no_part_of_the_end(mark: str) -> None:
    assert without_marks(GOOD_DRAFT + mark) == (GOOD_DRAFT, [mark])
    for end in range(1, len(mark)):
        assert split_reasoning(GOOD_DRAFT + mark[:end], whole=False)[1].startswith(GOOD_DRAFT)


@pytest.mark.parametrize(
    "mark",
    ["<|im_start|>assistant\n", "<|start_header_id|>assistant<|end_header_id|>\n\n", "<start_of_turn>model\n", "<s>",
     "<|CHATBOT_TOKEN|>", "<|assistant|>\n"],
)  # fmt: skip
async def test_a_mark_of_the_models_own_is_no_part_of_the_beginning(mark: str) -> None:
    assert without_marks(mark + GOOD_DRAFT) == (GOOD_DRAFT, [mark.strip()])


async def test_a_mark_without_end_is_told_once() -> None:
    text, cut = without_marks(GOOD_DRAFT + "<|endoftext|>" * 10_000 + "\n<|foo|>")
    assert (text.rstrip(), cut) == (GOOD_DRAFT.rstrip(), ["<|endoftext|>", "<|foo|>"])


async def test_a_known_mark_is_left_out_in_the_middle_too() -> None:
    assert without_marks("One.<|im_end|>\n\nTwo.") == ("One.\n\nTwo.", ["<|im_end|>"])


async def test_the_next_turn_that_a_model_makes_up_is_left_out_as_a_whole() -> None:
    turn = "<|im_end|>\n<|im_start|>user\nThanks! And a poem?<|im_end|>"
    assert without_marks(GOOD_DRAFT + turn) == (GOOD_DRAFT, [turn])


@pytest.mark.parametrize(
    "text", ["<s>Old.</s>", "a <| b |> c", "Unknown <|here|> is text.", "x </b>", "`<pad>` is a tag", "a < b | c > d"]
)
async def test_what_may_be_text_is_no_mark(text: str) -> None:
    assert without_marks(text) == (text, [])


async def test_a_text_about_marks_has_them() -> None:
    assert has_marks("A turn ends with <|im_end|>.")
    assert not has_marks(LIGHTHOUSES)


@pytest.mark.parametrize(
    "closing",
    [
        "Želite li da nešto promijenim?",
        "Szeretné, ha rövidebbre fognám?",
        "Θέλετε κάτι πιο σύντομο;",
        "هل تريد نسخة أقصر؟",
        "もっと短くしましょうか？",
        "*Shall it be shorter?* 😊",
        "(Word choice was kept simple.)",
        "Slobodno zatražite kraću verziju.",
        "Anything to adjust?\n\nHappy editing!",
    ],
)
async def test_a_closing_after_a_rule_is_known_by_its_form_in_any_language(closing: str, summary: Prompt) -> None:
    for rule in ("---", "* * *", "___"):
        draft, around = only_draft(f"{GOOD_DRAFT}\n{rule}\n\n{closing}\n", summary, LIGHTHOUSES)
        assert (draft, around) == (GOOD_DRAFT, [f"{rule}\n\n{closing}"])


@pytest.mark.parametrize(
    "end",
    [
        "\n---\n\nToday every lighthouse works alone.\n",  # it is about the text
        "\n---\n\n- Prisms?\n",
        "\n---\n\nSee <https://elsewhere.example>?\n",
        "\n---\n\n> Anything else?\n",
        "\nBut who would look after them?\n",  # without a rule
        "\n---\n\nHow many keepers\nwere needed?\n",  # the text asks it
    ],
)
async def test_what_may_be_text_stays_at_the_end(end: str, summary: Prompt) -> None:
    source = f"{LIGHTHOUSES}\nHow many keepers were needed?\n"
    draft, around = only_draft(GOOD_DRAFT + end, summary, source)
    assert (draft, around) == ((GOOD_DRAFT + end).rstrip() + "\n", [])


async def test_all_that_a_section_has_is_no_closing(summary: Prompt) -> None:
    draft = "## Key points\n\n- One.\n\n## In short\n\n---\n\nWhat else?\n"
    assert only_draft(draft, summary, LIGHTHOUSES) == (draft, [])


@pytest.mark.parametrize(
    "opening", ["Evo sažetka:\n\n", "Tässä on tiivistelmä:\n\n---\n\n", "要約です：\n\n# 要約\n\n"]
)
async def test_an_opening_in_any_language_is_no_part_of_the_draft(opening: str, summary: Prompt) -> None:
    assert only_draft(opening + GOOD_DRAFT, summary, LIGHTHOUSES) == (GOOD_DRAFT, [opening.strip()])


@pytest.mark.parametrize("heading", ["## Main points", "### Details", "**Key points**", "# Key points:"])
async def test_a_section_under_another_heading_is_no_opening(heading: str, summary: Prompt) -> None:
    draft = GOOD_DRAFT.replace("## Key points", heading)
    assert only_draft(draft, summary, LIGHTHOUSES) == (draft, [])
