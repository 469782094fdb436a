"""The choice, read from the text of an analysis."""

import json
import math
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain_texts import PAYOFF, THREE_BY_TWO, VALID, solution_of
from counting import check_linear
from gtalign.chain import chosen_cell, parse
from gtalign.errors import ChainError
from gtalign.game import USER_LLM, GameForm

PRISONERS = GameForm(user={"C": "", "D": ""}, llm={"C": "", "D": ""})


def read(text: str, form: GameForm = USER_LLM, user_action: str | None = None) -> str | None:
    choice = chosen_cell(text, form, user_action)
    if choice.kind == "cell":
        assert choice.cell is not None
        assert choice.cell.endswith(f"_{choice.action}")
        return choice.cell
    assert choice.cell is None
    assert (choice.kind == "unknown") == (choice.action is None)
    return choice.action


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # words of choice
        ("Choose DQ_DA.", "DQ_DA"),
        ("Frontier: VQ_CQ, DQ_AQ, DQ_DA. Choose DQ_AQ.", "DQ_AQ"),
        ("VQ_CQ and DQ_AQ are on the frontier; I pick (VQ, CQ).", "VQ_CQ"),
        ("DQ_DA (5) against VQ_CQ (6), so the chosen cell is VQ_CQ", "VQ_CQ"),
        ("Frontier: VQ_CQ, DQ_AQ. Choose the cell with the highest sum: DQ_AQ.", "DQ_AQ"),
        ("VQ_CQ, DQ_DA: selecting **DQ_DA** over VQ_CQ.", "DQ_DA"),
        ("VQ_CQ or DQ_DA? We go with `VQ\\_CQ`.", "VQ_CQ"),
        ("VQ_CQ beats DQ_DA.\nMy choice:\n\nVQ_CQ", "VQ_CQ"),
        ("VQ_CQ, DQ_DA, DQ_AQ. $\\boxed{\\text{DQ_DA}}$", "DQ_DA"),
        ("Choose {user: VQ, LLM: CQ}, not (VQ, DA).", "VQ_CQ"),
        ("VQ_CQ is chosen over DQ_DA.", "VQ_CQ"),
        ("DQ_AQ (sum 6) was selected, and DQ_DA only follows.", "DQ_AQ"),
        ("Frontier: VQ_CQ, DQ_DA, choose VQ_CQ", "VQ_CQ"),
        ("First choose VQ_CQ as a candidate. Final choice: DQ_DA.", "DQ_DA"),
        ("Candidates VQ_CQ, DQ_DA. Answer: VQ / CQ", "VQ_CQ"),
        ("Choose CQ, since VQ_CQ beats DQ_DA.", "VQ_CQ"),
        # words of praise and of conclusion
        ("DQ_DA gives 4. best: VQ_CQ", "VQ_CQ"),
        ("VQ_CQ is the best, DQ_DA second.", "VQ_CQ"),
        ("DQ_DA and VQ_CQ remain. VQ_CQ wins with 5.5 against 4.", "VQ_CQ"),
        ("VQ_CQ has the highest sum (5.5), DQ_DA has 4.", "VQ_CQ"),
        ("VQ_CQ, with a sum of 5, is clearly optimal; DQ_DA has 4.", "VQ_CQ"),
        ("Both VQ_CQ and DQ_CQ are good, therefore CQ", "CQ"),
        ("VQ_CQ sums to 5, DQ_DA to 4. So we should play VQ_CQ.", "VQ_CQ"),
        ("Best for the user is DQ_DA. Best for both is VQ_CQ.", "VQ_CQ"),
        ("The best response to DQ is DA. Best is VQ_CQ.", "VQ_CQ"),
        # the only thing named
        ("Pareto frontier: VQ_CQ.", "VQ_CQ"),
        ("VQ_CQ dominates; the user is vague and DA is cheap", "VQ_CQ"),
        ("We ask: CQ.", "CQ"),
        ("I pick CQ.", "CQ"),
        # negations, questions and hypotheses choose nothing
        ("Not DA. Choose VQ_CQ.", "VQ_CQ"),
        ("Choose VQ_CQ rather than DQ_DA.", "VQ_CQ"),
        ("Choose CQ instead of DA or AQ.", "CQ"),
        ("We do not choose DQ_DA; VQ_CQ is chosen.", "VQ_CQ"),
        ("Should I choose DQ_DA? I choose VQ_CQ.", "VQ_CQ"),
        ("If the question were detailed, choose DQ_DA. It is vague. Choose VQ_CQ.", "VQ_CQ"),
        ("DQ_DA isn't the best. The best is VQ_CQ.", "VQ_CQ"),
        ("Choose between VQ_CQ and DQ_DA. Best: DQ_DA.", "DQ_DA"),
        ("VQ_DA is not chosen.", None),
        ("Not DA.", None),
        ("Don't choose VQ_DA.", None),
        ("Anything rather than CQ", None),
        ("Should it be VQ_CQ?", None),
        ("If it were detailed, DQ_DA would be best.", None),
        # nothing that decides
        ("", None),
        ("The user is vague, choose well and best.", None),
        ("VQ_CQ, DQ_DA and DQ_AQ are on the frontier.", None),
        ("Choose VQ_CQ or DQ_DA.", None),
        ("Choose VQ_CQ. On reflection, choose DQ_DA.", None),
        ("Choose VQ_CQ. Choose DQ_CQ.", None),
        ("Therefore DQ_DA is dominated by VQ_CQ.", None),
        ("DQ_DA is dominated by VQ_CQ.", None),
        ("Choose XX_CQ.", None),
        ("Choose cq, the DAY or a CQ-like action.", None),
        ("DA or CQ", None),
    ],
)
def test_reading(text: str, expected: str | None) -> None:
    assert read(text) == expected


@pytest.mark.parametrize(
    ("text", "form", "expected"),
    [
        ("Choose C_D.", PRISONERS, "C_D"),
        ("(C, C) is stable, but choose (D, C).", PRISONERS, "D_C"),
        ("Choose C.", PRISONERS, None),
        ("Select ASK_WAIT-1, not ASK_GO.", THREE_BY_TWO, "ASK_WAIT-1"),
        ("Select WAIT-1.", THREE_BY_TWO, "WAIT-1"),
        ("Choose VQ_CQ.", THREE_BY_TWO, None),
    ],
)
def test_other_forms(text: str, form: GameForm, expected: str | None) -> None:
    assert read(text, form) == expected


def test_a_known_user_action_completes_the_cell() -> None:
    assert read("Choose CQ.", user_action="VQ") == "VQ_CQ"
    assert read("Choose DQ_CQ.", user_action="VQ") == "DQ_CQ"
    assert read("Hm.", user_action="VQ") is None


def test_the_form_of_a_matrix_is_used() -> None:
    assert chosen_cell("Choose CQ.", PAYOFF).action == "CQ"


@given(st.permutations(USER_LLM.cells), st.sampled_from(USER_LLM.cells))
def test_the_asked_for_sentence_is_read_after_any_frontier(cells: list[str], cell: str) -> None:
    assert read(f"Pareto frontier: {', '.join(cells[:3])}.\nChoose {cell}.") == cell


@given(st.text(alphabet="VDQ_ACchosebtn.,!? \n(", max_size=60))
def test_any_text_is_read(text: str) -> None:
    assert read(text) in (None, *USER_LLM.cells, *USER_LLM.llm_actions)


@pytest.mark.parametrize(
    "piece", ["choose ", "CQ ", "VQ_CQ is best ", "not ", "....", " ", "(", "so CQ ", "choose CQ, "]
)
def test_long_texts_take_linear_work(piece: str) -> None:
    check_linear(read, piece)


@pytest.mark.parametrize(
    ("analyze", "score"),
    [
        ("Choose DQ_AQ.", 1.0),
        ("Choose DQ_DA.", 1.0),
        ("Choose VQ_CQ.", 0.0),
        ("Choose DA.", 0.5),
        ("Choose CQ.", 0.0),
        ("DQ_AQ and DQ_DA are on the frontier.", math.nan),
    ],
)
def test_the_choice_of_one_chain_has_a_score(analyze: str, score: float) -> None:
    text = VALID.replace("Frontier: DQ_AQ, DQ_DA. Choose DQ_AQ.", analyze)
    assert solution_of(parse(text)) == pytest.approx(score, nan_ok=True)


def test_the_recorded_analyses_are_read(vectors: Path) -> None:
    assert recorded_analyses_read(vectors / "released-code-rewards.jsonl") == 277


def test_the_recorded_analyses_of_published_texts_are_read(shared: Path) -> None:
    assert recorded_analyses_read(shared / "vectors" / "released-code-rewards.jsonl") > 300


def recorded_analyses_read(file: Path) -> int:
    """The number of recorded analyses; each of them names the cell that it chooses."""
    read_cells = 0
    for line in file.read_text(encoding="utf-8").splitlines():
        try:
            chain = parse(json.loads(line)["completion"], tolerant=True)
        except ChainError:
            continue
        wanted = re.search(r"Choose ([DV]Q_[A-Z]Q|[DV]Q_DA)\.\s*$", chain.analyze)
        assert wanted is not None
        assert read(chain.analyze) == wanted.group(1)
        read_cells += 1
    return read_cells
