"""Chains whose matrix knows a policy of the prompt."""

import numpy as np
import pytest

from gtalign.chain import Chain, acted, chosen_cell, parse, work_out
from gtalign.game import USER_LLM, Bimatrix
from gtalign.steering import (
    PRIOR,
    Adjustment,
    Policy,
    Price,
    edit,
    fit,
    load_policy,
    policy_line,
    policy_names,
)
from gtalign.synthesis.priced import charged, priced, priced_from

SAID = {"DA": "It is 1950.", "CQ": "Which match?", "AQ": "The first was in 1950. Which match?"}
GAMES = np.random.default_rng(0).integers(-5, 6, (20, 2, 3, 2)).astype(float)


def chain(payoffs: object) -> Chain:
    return Chain("so", Bimatrix(USER_LLM, payoffs), "Choose DQ_DA.", SAID["DA"])  # type: ignore[arg-type]


@pytest.mark.parametrize("name", policy_names())
def test_the_matrix_is_edited_as_steering_edits_it_and_the_rest_follows(name: str) -> None:
    policy = load_policy(name)
    for payoffs in GAMES:
        start = chain(payoffs)
        found = priced(start, policy, PRIOR, SAID.__getitem__)
        whole = parse(found.text)
        exact = edit(start.payoff, policy, PRIOR)
        assert whole.payoff == fit(exact, decimals=0, low=-5, high=5).edited
        solved = work_out(whole.payoff)
        assert chosen_cell(whole.analyze, USER_LLM).cell == solved.cell
        assert acted(whole.response, USER_LLM) == solved.action == found.action
        assert whole.thinking == f"so {charged(exact, 0)}".strip()
        assert found.line == policy_line(policy)


@pytest.mark.parametrize(
    ("adjust", "said"),
    [
        ([], ""),
        ([{"action": "CQ", "user": -2}], "user: AQ 0, CQ -2, DA 0."),
        (
            [{"action": "DA", "llm": 1.4}, {"action": "AQ", "user": 1}],
            "user: AQ 1, CQ 0, DA 0. llm: AQ 0, CQ 0, DA 1.",
        ),
        (
            [{"cell": "VQ_DA", "llm": 3}],
            "llm: DQ_AQ 0, DQ_CQ 0, DQ_DA 0, VQ_AQ 0, VQ_CQ 0, VQ_DA 3.",
        ),
        ([{"action": "DA", "llm": 0.2}], ""),
    ],
)
def test_charges_are_said_by_action_where_that_is_enough(adjust: list[object], said: str) -> None:
    policy = Policy(
        name="a", payer="nobody", adjust=tuple(Adjustment.model_validate(a) for a in adjust)
    )
    assert charged(edit(chain(GAMES[0]).payoff, policy, PRIOR), 0) == said


def test_only_written_responses_are_used() -> None:
    policy = Policy(name="dear", payer="user", price=Price(output=20.0))
    for payoffs in GAMES:
        whole = priced(chain(payoffs), policy, PRIOR, SAID.__getitem__)
        for action in SAID:
            found = priced_from(chain(payoffs), {action: SAID[action]}, policy)
            assert found == (whole if action == whole.action else None)
