"""Games in files: what may be in one, and what is said of one that is wrong."""

import json
from pathlib import Path

import pytest

from gtalign.config import shipped
from gtalign.errors import ConfigError, GameError
from gtalign.game import USER_LLM, GameForm
from gtalign.game.file import form_from_json, form_to_json, load_game
from gtalign.game.traits import Sign, TokenUse, Traits

TUTOR = """
name = "tutor"
[user]
STUCK = { description = "has tried and is stuck", counts_as = "DQ" }
LAZY = "wants the answer alone"
[llm]
HINT = "give a hint"
[llm.TELL]
description = "tell the answer"
counts_as = "DA"
tokens = { output = 300 }
sign = { first_line = ["Answer"], asks = "no" }
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "game.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_file_holds_all_that_is_known_of_a_game(tmp_path: Path) -> None:
    form = load_game(written(tmp_path, TUTOR))
    told = Traits(Sign(asks="no", first_line=("Answer",)), TokenUse(300.0), "DA")
    assert form == GameForm(
        {"STUCK": "has tried and is stuck", "LAZY": "wants the answer alone"},
        {"HINT": "give a hint", "TELL": "tell the answer"},
        {"TELL": told},
        "tutor",
        {"STUCK": "DQ"},
    )
    assert form.identity == "tutor: STUCK LAZY x HINT TELL"
    assert (form.meant_by("DA"), form.meant_by("HINT"), form.meant_by("AQ")) == (
        ("TELL",),
        ("HINT",),
        (),
    )
    assert form.meant_by("DQ", "user") == form.meant_by("STUCK", "user") == ("STUCK",)
    assert form.meant_by("VQ", "user") == form.meant_by("DA", "user") == ()
    assert form_from_json(json.loads(json.dumps(form_to_json(form)))) == form
    other = load_game(written(tmp_path, TUTOR.replace(', counts_as = "DQ"', "")))
    assert other != form and other.identity == form.identity


def test_without_a_file_it_is_the_usual_game() -> None:
    assert load_game(None) is USER_LLM


@pytest.mark.parametrize("name", [*shipped("games"), None])
def test_a_form_comes_back_from_json(name: str | None) -> None:
    form = load_game(name)
    assert form_from_json(form_to_json(form)) == form


@pytest.mark.parametrize("name", shipped("games"))
def test_a_shipped_game_knows_all_of_its_actions(name: str) -> None:
    form = load_game(name)
    assert form.name == name
    assert all(known.sign and known.tokens for known in form.traits)
    assert all(form.meant_by(usual) for usual in ("DA", "CQ"))


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ('name = "tutor"', "", "missing key 'name'"),
        ('asks = "no"', 'asks = "never"', "llm.TELL.sign.asks: input should be 'no', 'only'"),
        ('counts_as = "DA"', 'count_as = "DA"', "did you mean 'llm.TELL.counts_as'?"),
        ('counts_as = "DA"', 'counts_as = "ACT"', "llm.TELL.counts_as"),
        ('counts_as = "DQ"', 'counts_as = "DA"', "user.STUCK.counts_as: input should be 'DQ' or"),
        ('counts_as = "DQ"', 'sign = "x"', "unknown key 'user.STUCK.sign'"),
        ("output = 300", "output = -1", "llm.TELL.tokens.output: input should be greater"),
        ("output = 300", "output = nan", "llm.TELL.tokens.output"),
        ("output = 300", "turns = 1", "missing key 'llm.TELL.tokens.output'"),
        ('first_line = ["Answer"], asks = "no"', "", "a sign needs one of the keys asks, first"),
        ('["Answer"]', '[" "]', "the sign of TELL holds an empty text"),
        ("STUCK =", '"NOT_STUCK" =', "'NOT_STUCK' is not a name of letters, digits and hyphens"),
        (
            '"tell the answer"',
            '"tell\\nit"',
            "llm.TELL: a description is one line of 1 to 300 characters",
        ),
        ("[user]\n", "[users]\n", "missing key 'user'"),
        (
            "HINT =",
            "\n".join(f'A{i} = "a"' for i in range(12)) + "\nHINT =",
            "llm: 14 actions; a file has up to 12",
        ),
        ("[user]", "[user", "not valid TOML"),
        ('"tutor"', '"<b>tutor"', "name: up to 40 letters"),
        ("LAZY =", f"{'L' * 41} =", "is longer than 40 characters"),
        ('["Answer"]', f'["{"A" * 201}"]', "llm.TELL.sign: each text is one line of 1 to 200"),
        ('["Answer"]', '["A\\nB"]', "llm.TELL.sign: each text is one line"),
        ('["Answer"]', str(["A"] * 101), "llm.TELL.sign: 101 texts; a sign has up to 100"),
        ('"give a hint"', '""', "llm.HINT: a description is one line"),
        ('"give a hint"', "3", "llm.HINT"),
        ("LAZY =", "STUCK =", "not valid TOML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, old: str, new: str, part: str) -> None:
    assert old in TUTOR
    with pytest.raises(ConfigError) as refused:
        load_game(written(tmp_path, TUTOR.replace(old, new, 1)))
    assert part in str(refused.value)


def test_two_actions_with_one_sign_are_refused(tmp_path: Path) -> None:
    twice = TUTOR.replace(
        'HINT = "give a hint"',
        'HINT = { description = "a hint", sign = { asks = "no", first_line = ["Answer"] } }',
    )
    with pytest.raises(ConfigError, match="HINT and TELL have the same sign"):
        load_game(written(tmp_path, twice))


def test_an_unknown_name_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'coding'"):
        load_game("codign")


def test_traits_belong_to_an_action() -> None:
    with pytest.raises(GameError, match="traits of 'B'; the LLM's actions are A"):
        GameForm({"U": ""}, {"A": ""}, {"B": Traits()})
    with pytest.raises(GameError, match="the sign of A holds an empty text"):
        GameForm({"U": ""}, {"A": ""}, {"A": Traits(Sign(words=("x", " ")))})
    with pytest.raises(GameError, match="unknown LLM action 'B'"):
        GameForm({"U": ""}, {"A": ""}).traits_of("B")
    with pytest.raises(GameError, match="'V' counts as 'DQ'; the user has U"):
        GameForm({"U": ""}, {"A": ""}, user_counts_as={"V": "DQ"})


def test_a_game_of_a_program_may_be_larger_than_that_of_a_file() -> None:
    many = {f"L{n}": "" for n in range(20)}
    form = GameForm({"U": "two\nlines"}, many, {"L3": Traits(Sign(marker=("a\nb", "x" * 999)))})
    assert form_from_json(form_to_json(form)) == form


@pytest.mark.parametrize(
    "given", [{}, {"user": 3, "llm": []}, {"user": {"A": ""}, "llm": {"B": 1}}]
)
def test_what_is_no_game_is_a_game_error(given: dict[str, object]) -> None:
    with pytest.raises(GameError):
        form_from_json(given)
