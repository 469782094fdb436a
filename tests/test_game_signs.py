"""Signs that can never be told from others, against responses that try to show them."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from gtalign.chain import acted
from gtalign.config import shipped
from gtalign.errors import ConfigError
from gtalign.game import USER_LLM, GameForm
from gtalign.game.file import load_game
from gtalign.game.signs import never_alone, never_shown, problems_of
from gtalign.game.traits import Asks, Sign, Traits

NO, ONLY, ALSO, LAST = (Sign(asks=ask) for ask in ("no", "only", "also", "last"))
HINT = Sign(first_line=("Hint",))
NOTED = Sign(words=("take a note",))

IMPLIED = [
    (HINT._replace(asks="no"), [NO]),
    (HINT, [HINT._replace(first_line=("hint", "clue"))]),
    (Sign(first_line=("Hint: look",)), [HINT]),
    (Sign(first_line=("Hint", "Hint two")), [HINT]),
    (Sign(marker=("[done] now",)), [Sign(marker=("[done]", "[x]"))]),
    (Sign(words=("please  take a note",)), [NOTED]),
    (ONLY, [LAST]),
    (LAST, [ONLY, ALSO]),
    (HINT, [NO, ONLY, ALSO]),
    (HINT, [NO, ONLY, Sign(asks="also", first_line=("hint",))]),
    (Sign(asks="no", without=("x",)), [Sign(asks="no", without=("axe", "X ray"))]),
    (Sign(asks="no", without=("x",)), [NO]),
]
APART = [
    (NO, [HINT._replace(asks="no")]),
    (HINT._replace(asks="no"), [Sign(asks="no", without=("hint",))]),
    (HINT, [Sign(first_line=("Hints",)), Sign(first_line=("Hin",)), Sign(words=("hint",))]),
    (Sign(first_line=("Hint", "Plan")), [HINT]),
    (Sign(marker=("[done]",)), [Sign(marker=("[DONE]",))]),
    (Sign(words=("take a note",)), [Sign(words=("take a note please",)), Sign(words=("tak",))]),
    (HINT, [NO, ONLY]),
    (ALSO, [ONLY, LAST]),
    (LAST, [ALSO, NO]),
    (NO, [Sign(asks="no", without=("x",))]),
    (Sign(asks="no", without=("axe",)), [Sign(asks="no", without=("x",))]),
]


@pytest.mark.parametrize(("sign", "others"), IMPLIED)
def test_a_sign_that_others_cover_is_never_alone(sign: Sign, others: list[Sign]) -> None:
    named = [(f"B{n}", other) for n, other in enumerate(others)]
    assert set(never_alone(sign, named)) <= {name for name, _ in named}
    assert never_alone(sign, named)
    problem = list(problems_of((("A", sign), *named)))
    assert any("llm.A.sign" in one and "A is never recognised" in one for one in problem)


@pytest.mark.parametrize(("sign", "others"), APART)
def test_a_sign_that_can_show_alone_is_let_be(sign: Sign, others: list[Sign]) -> None:
    assert never_alone(sign, [(f"B{n}", other) for n, other in enumerate(others)]) == ()


def test_a_sign_without_its_own_texts_never_shows() -> None:
    assert never_shown(Sign(marker=("[X]",), without=("x",)))
    assert never_shown(Sign(first_line=("Done", "All done"), without=("done",)))
    assert never_shown(Sign(words=("note",), marker=("a",), without=("not",)))
    assert not never_shown(Sign(first_line=("Done", "Ready"), without=("done",)))
    assert not never_shown(NO)
    (problem,) = problems_of((("A", Sign(marker=("[X]",), without=("x",))), ("B", NO)))
    assert problem.startswith("llm.A.sign: it wants texts that hold what")


PIECES = ("Hint", "hint two", "Plan", "plan b", "[x]", "done", "take a note")
ENDS = ("", ". So it is.", ". Which one?", "? And then.", "?", "? Thanks!")


def test_what_is_called_never_alone_is_never_recognised() -> None:
    """Random games of few texts, and all responses of two pieces of them."""
    rng = np.random.default_rng(1)
    responses = [f"{a} {b}{end}" for a, b, end in product(PIECES, PIECES, ENDS)]
    ways: tuple[Asks | None, ...] = (None, "no", "only", "also", "last")

    def texts() -> tuple[str, ...]:
        return tuple(rng.choice(PIECES, int(rng.choice([0, 0, 1, 2])), replace=False).tolist())

    found = 0
    for _ in range(60):
        signs = {
            f"A{n}": Sign(ways[int(rng.integers(5))], texts(), (), texts(), texts())
            for n in range(3)
        }
        if len(set(signs.values())) < 3:
            continue
        form = GameForm(
            {"U": ""}, dict.fromkeys(signs, ""), {a: Traits(s) for a, s in signs.items()}
        )
        told = " ".join(problems_of(form.signs))
        lost = {action for action in signs if f"llm.{action}.sign" in told}
        found += len(lost)
        if lost:
            assert not lost & {acted(response, form) for response in responses}
    assert found > 20


def test_the_games_that_ship_can_be_read() -> None:
    assert not [*problems_of(USER_LLM.signs)]
    for name in shipped("games"):
        assert not [*problems_of(load_game(name).signs)]


def test_a_file_with_such_a_sign_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "game.toml"
    game = (
        'name = "tutor"\n[user]\nU = "u"\n'
        '[llm.FULL]\ndescription = "f"\nsign = { asks = "no" }\n'
        '[llm.HINT]\ndescription = "h"\nsign = { first_line = ["Hint"], asks = "no" }\n'
    )
    file.write_text(game)
    with pytest.raises(ConfigError, match=r"llm\.HINT\.sign: .* shows that of FULL as well"):
        load_game(file)
    file.write_text(game.replace('{ asks = "no" }', '{ asks = "no", without = ["hint"] }'))
    form = load_game(file)
    assert (acted("Hint: look.", form), acted("It is 3.", form)) == ("HINT", "FULL")
