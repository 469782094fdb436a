"""The instruction to the model."""

import pytest

from chain_texts import THREE_BY_TWO
from gtalign.chain import BLOCKS, prompt
from gtalign.chain.prompt import Style, fill
from gtalign.game import USER_LLM, GameForm
from gtalign.game.file import load_game


@pytest.mark.parametrize("form", [USER_LLM, THREE_BY_TWO])
def test_it_names_blocks_actions_cells_and_range(form: GameForm) -> None:
    text = prompt(form, low=-2.5, high=7)
    places = [text.index(tag) for name in BLOCKS for tag in (f"<{name}>", f"</{name}>")]
    assert places == sorted(places)
    for name, description in (*form.user, *form.llm):
        assert f"- {name}: {description}" in text
    for cell in form.cells:
        assert f'"{cell}": {{"LLM": number, "user": number}}' in text
    assert f"exactly the {len(form.cells)} keys" in text
    assert "from -2.5 to 7 with one decimal" in text


def test_it_names_no_other_forms_actions() -> None:
    assert "VQ" not in prompt(THREE_BY_TWO)
    assert "from -5 to 5" in prompt()


def test_braces_in_a_description_are_left_alone() -> None:
    assert "- HINT: hints {{cells}}\n" in prompt(THREE_BY_TWO)


def test_filling_takes_every_value_once() -> None:
    assert (
        fill("a {{x}} {y} {{x}}\n", {"x": "{{y}} \\1 {x}"}) == "a {{y}} \\1 {x} {y} {{y}} \\1 {x}"
    )
    with pytest.raises(KeyError, match="y"):
        fill("{{x}} {{y}}", {"x": "1"})
    with pytest.raises(KeyError, match="never uses y"):
        fill("{{x}}", {"x": "1", "y": "2"})


@pytest.mark.parametrize("style", ["full", "short"])
def test_the_signs_of_a_game_are_told(style: Style) -> None:
    text = prompt(load_game("coding"), style=style)
    assert '- ACT: begin with "Done"; ask nothing.' in text
    assert '- PLAN: begin with "Plan"; end with a question.' in text
    assert "{{" not in text
