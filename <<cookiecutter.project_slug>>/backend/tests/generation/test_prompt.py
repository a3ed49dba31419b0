from __future__ import annotations

from pathlib import Path

import pytest

from app.generation.prompt import PromptError, Prompts

pytestmark = pytest.mark.anyio

HEAD = """\
---
title: Summary
description: In short.
sections:
  - heading: In short
    form: summary
min_words: 20
max_words: 200
---
"""


async def test_a_prompt_is_a_file_that_is_read_for_each_run(tmp_path: Path) -> None:
    file = tmp_path / "short.md"
    file.write_text(HEAD + "Write $min_words to $max_words words under:\n\n$headings\n\nIt costs $$5.\n")
    prompts = Prompts(tmp_path)
    prompt = await prompts.get("short")
    assert prompt is not None
    assert (prompt.name, prompt.title, prompt.words("standard"), prompt.words("long")) == (
        "short", "Summary", (20, 200), (40, 400),
    )  # fmt: skip
    assert prompt.system("short") == "Write 10 to 100 words under:\n\n## In short\n\nIt costs $5."

    file.write_text(HEAD.replace("title: Summary", "title: Shorter") + "Write.")
    assert [each.title for each in await prompts.all()] == ["Shorter"]


async def test_a_name_is_never_a_path(tmp_path: Path) -> None:
    (tmp_path / "secret.md").write_text(HEAD + "Write.")
    folder = tmp_path / "prompts"
    folder.mkdir()
    for name in ("../secret", str(tmp_path / "secret"), "secret", ""):
        assert await Prompts(folder).get(name) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Write.", "no head was found"),
        (HEAD.replace("form: summary", "form: poem") + "Write.", "sections.0.form='poem'"),
        (HEAD.replace("max_words: 200", "max_words: many") + "Write.", "max_words='many'"),
        (HEAD, "instructions=''"),
        (HEAD + "Under $heading.", "use $headings, $min_words and $max_words"),
        (HEAD + "It costs $5.", "use $headings, $min_words and $max_words"),
        ("---\n- a\n---\nWrite.", "no YAML mapping"),
    ],
)
async def test_a_prompt_that_cannot_be_used_says_why(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "bad.md").write_text(text)
    with pytest.raises(PromptError) as raised:
        await Prompts(tmp_path).get("bad")
    assert str(raised.value).startswith(f"{tmp_path / 'bad.md'}: ")
    assert said in str(raised.value)
