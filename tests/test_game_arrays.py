"""What is no game, number or player is refused by one clear error, by every function."""

import warnings
from typing import Any

import numpy as np
import pytest

from gtalign.errors import GameError
from gtalign.game import (
    USER_LLM,
    Bimatrix,
    ClarifyingQuestion,
    DecisionEpoch,
    belief_payoffs,
    belief_response,
    best_responses,
    ces,
    ces_optimum,
    clarify,
    clarify_turns,
    clarifying_move,
    cobb_douglas,
    commit,
    commitment_gain,
    critical_discount,
    deviation_gains,
    dominated,
    equilibria,
    equilibrium_welfare,
    is_trap,
    maximin,
    misread_loss,
    nash_bargaining,
    noisy_leader,
    optimum_radius,
    pareto_frontier,
    perfect_information,
    posterior,
    price_of_anarchy,
    pure_nash,
    quantal_equilibrium,
    response_radius,
    sample_information,
    signalling_equilibria,
    social_optimum,
    stackelberg,
    utilitarian,
    vertex_pairs,
    welfare_gap,
    worth_asking,
)
from gtalign.game.arrays import number, numbers, whole

GAME: Any = np.arange(12.0).reshape(2, 3, 2)
HALF: Any = [0.5, 0.5]
EYE: Any = np.eye(2)
ASK = ClarifyingQuestion(EYE)

OF_PAYOFFS: dict[str, Any] = {
    "belief_payoffs": lambda p: belief_payoffs(p, HALF),
    "belief_response": lambda p: belief_response(p, HALF),
    "best_responses": best_responses,
    "Bimatrix": lambda p: Bimatrix(USER_LLM, p),
    "ces_optimum": lambda p: ces_optimum(p, 0, 0),
    "clarify": lambda p: clarify(p, [ASK], 1),
    "clarify_turns": lambda p: clarify_turns([DecisionEpoch(p)]),
    "clarifying_move": lambda p: clarifying_move(p, HALF, [ASK], 1),
    "commit": lambda p: commit(p, "llm"),
    "commitment_gain": lambda p: commitment_gain(p, "user"),
    "critical_discount": critical_discount,
    "deviation_gains": lambda p: deviation_gains(p, 0),
    "dominated": dominated,
    "equilibria": equilibria,
    "equilibrium_welfare": equilibrium_welfare,
    "is_trap": is_trap,
    "maximin": maximin,
    "misread_loss": lambda p: misread_loss(p, 0),
    "nash_bargaining": lambda p: nash_bargaining(p, [0, 0]),
    "noisy_leader": lambda p: noisy_leader(p, 1),
    "optimum_radius": optimum_radius,
    "pareto_frontier": pareto_frontier,
    "perfect_information": lambda p: perfect_information(p, HALF),
    "price_of_anarchy": price_of_anarchy,
    "pure_nash": pure_nash,
    "quantal_equilibrium": lambda p: quantal_equilibrium(p, 1),
    "response_radius": lambda p: response_radius(p, HALF),
    "sample_information": lambda p: sample_information(p, HALF, EYE),
    "signalling_equilibria": lambda p: signalling_equilibria([p, p], HALF),
    "social_optimum": social_optimum,
    "stackelberg": lambda p: stackelberg(p, "llm"),
    "vertex_pairs": vertex_pairs,
    "welfare_gap": welfare_gap,
    "worth_asking": lambda p: worth_asking(p, HALF, EYE, [0, 0]),
}
PAYOFFS: dict[str, Any] = {
    "truth values": GAME > 5,
    "objects": GAME.astype(object),
    "texts": GAME.astype(str),
    "complex numbers": GAME * 1j,
    "dates": np.zeros((2, 3, 2), "datetime64[s]"),
    "rows of several lengths": [[[1, 2], [3]], [[1, 2]]],
    "a text": "ab",
    "nothing": None,
    "too large a number": [[[10**400, 0]] * 3] * 2,
    "not a number": GAME * np.nan,
    "infinity": np.where(GAME == 3, np.inf, GAME),
    "another shape": np.zeros((2, 3, 3)),
    "no action": np.zeros((2, 0, 2)),
}


@pytest.mark.parametrize("function", OF_PAYOFFS)
@pytest.mark.parametrize("payoffs", PAYOFFS)
def test_what_are_no_payoffs_is_refused_by_all(function: str, payoffs: str) -> None:
    OF_PAYOFFS[function](GAME)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(GameError, match=r"payoffs? (are|have|at|at .*) |payoff is"):
            OF_PAYOFFS[function](PAYOFFS[payoffs])


def test_a_payoff_that_is_none_is_not_called_a_wrong_shape() -> None:
    for call in (
        lambda: clarify(GAME * np.nan, [], 1),
        lambda: clarifying_move(GAME * np.nan, HALF, [], 1),
        lambda: signalling_equilibria([GAME, GAME * np.nan], HALF),
        lambda: quantal_equilibrium(GAME * np.nan, 1),
    ):
        with pytest.raises(GameError, match="a finite number") as refused:
            call()
        assert "shape" not in str(refused.value)


OF_BELIEF: dict[str, Any] = {
    "belief_payoffs": lambda b: belief_payoffs(GAME, b),
    "belief_response": lambda b: belief_response(GAME, b),
    "Clarification.move": lambda b: clarify(GAME, [ASK], 1).move(b),
    "Clarification.value": lambda b: clarify(GAME, [ASK], 1).value(b),
    "clarifying_move": lambda b: clarifying_move(GAME, b, [ASK], 1),
    "likelihood": lambda b: posterior(HALF, [b, b]),
    "likelihood of a question": lambda b: clarify(GAME, [ClarifyingQuestion([b, b])], 1),
    "perfect_information": lambda b: perfect_information(GAME, b),
    "posterior": lambda b: posterior(b, EYE),
    "prior": lambda b: signalling_equilibria([GAME, GAME], b),
    "response_radius": lambda b: response_radius(GAME, b),
    "sample_information": lambda b: sample_information(GAME, b, EYE),
    "worth_asking": lambda b: worth_asking(GAME, b, EYE, [0, 0]),
}
BELIEFS: tuple[Any, ...] = (
    "ab",
    ["0.5", "0.5"],
    [True, False],
    [0.5 + 0j, 0.5],
    [None, 1.0],
    [[0.5], [0.5, 0.5]],
    [np.nan, 1.0],
    {"DQ": 0.5},
)


@pytest.mark.parametrize("function", OF_BELIEF)
@pytest.mark.parametrize("belief", BELIEFS, ids=str)
def test_what_is_no_belief_is_refused_by_all(function: str, belief: Any) -> None:
    OF_BELIEF[function](HALF)
    with pytest.raises(GameError, match="is made of"):
        OF_BELIEF[function](belief)


OF_PLAYER: dict[str, Any] = {
    "ces_optimum": lambda who: ces_optimum(GAME, 0, 0, who),
    "commit": lambda who: commit(GAME, who),
    "commitment_gain": lambda who: commitment_gain(GAME, who),
    "description": lambda who: USER_LLM.description("DQ" if who == "user" else "DA", who),
    "social_optimum": lambda who: social_optimum(GAME, who),
    "stackelberg": lambda who: stackelberg(GAME, who),
}


@pytest.mark.parametrize("function", OF_PLAYER)
@pytest.mark.parametrize("player", ["boss", "LLM", "", 1, True, ["llm"], np.array(["llm"])])
def test_who_is_no_player_is_refused_by_all(function: str, player: Any) -> None:
    for known in ("user", "llm"):
        OF_PLAYER[function](known)
    with pytest.raises(GameError, match="user or llm, not"):
        OF_PLAYER[function](player)


@pytest.mark.parametrize("aim", ["boss", "", 1, ["user"], np.array(["user"])])
def test_what_is_no_aim_is_refused_by_all(aim: Any) -> None:
    for call in (
        lambda: belief_response(GAME, HALF, aim),
        lambda: clarify(GAME, [ASK], 1, aim),
        lambda: clarify(GAME, [], 0, aim),
        lambda: clarifying_move(GAME, HALF, [], 0, aim),
        lambda: sample_information(GAME, HALF, EYE, aim),
        lambda: response_radius(GAME, HALF, aim),
    ):
        with pytest.raises(GameError, match="an aim is one of user, llm, welfare"):
            call()


OF_NUMBER: dict[str, Any] = {
    "ces": lambda x: ces(1, 2, x),
    "ces_optimum, rho": lambda x: ces_optimum(GAME, x, 0),
    "ces_optimum, zero": lambda x: ces_optimum(GAME, 0, x),
    "cost": lambda x: clarify(GAME, [ClarifyingQuestion(EYE, (x, x))], 1),
    "disagreement": lambda x: nash_bargaining(GAME, [x, x]),
    "leaving": lambda x: clarify(GAME, [ClarifyingQuestion(EYE, leaving=(x, x))], 1),
    "noisy_leader": lambda x: noisy_leader(GAME, x),
    "patience": lambda x: clarify(GAME, [ClarifyingQuestion(EYE, patience=x)], 1),
    "patience at a belief": lambda x: clarifying_move(
        GAME, HALF, [ClarifyingQuestion(EYE, patience=x)], 1
    ),
    "quantal_equilibrium": lambda x: quantal_equilibrium(GAME, x),
    "welfare": lambda x: cobb_douglas([x, x], 1) + utilitarian(1, [x, x]),
    "worth_asking": lambda x: worth_asking(GAME, HALF, EYE, [x, x]),
}


@pytest.mark.parametrize("function", OF_NUMBER)
@pytest.mark.parametrize("given", ["a", "1", None, True, 1j, [1.0, 2.0], {}, 10**400])
def test_what_is_no_number_is_refused_by_all(function: str, given: Any) -> None:
    OF_NUMBER[function](1)
    OF_NUMBER[function](np.float32(0.5))
    if function == "welfare" and isinstance(given, list):
        return  # it takes arrays of any shape
    with pytest.raises(GameError):
        OF_NUMBER[function](given)


OF_WHOLE: dict[str, Any] = {
    "answer": lambda n: clarify(GAME, [ClarifyingQuestion(EYE, answer=n)], 1),
    "answer at a belief": lambda n: clarifying_move(
        GAME, HALF, [ClarifyingQuestion(EYE, answer=n)], 1
    ),
    "left": lambda n: clarify(GAME, [ASK], 1).move(HALF, n),
    "left, value": lambda n: clarify(GAME, [ASK], 1).value(HALF, n),
    "left, regions": lambda n: clarify(GAME, [ASK], 1).regions(n),
    "turns": lambda n: clarify(GAME, [ASK], n),
    "turns at a belief": lambda n: clarifying_move(GAME, HALF, [ASK], n),
}


@pytest.mark.parametrize("function", OF_WHOLE)
@pytest.mark.parametrize("given", [1.5, 1.0, "1", True, np.nan, [1], -1])
def test_what_is_no_whole_number_is_refused_by_all(function: str, given: Any) -> None:
    for known in (0, 1, np.int64(1)):
        OF_WHOLE[function](known)
    with pytest.raises(GameError, match="a whole number, "):
        OF_WHOLE[function](given)


def test_the_messages_say_what_was_wanted() -> None:
    with pytest.raises(GameError, match=r"patience is a number from 0 to 1, not 1\.5"):
        number("patience is", 1.5, 0, 1)
    with pytest.raises(GameError, match=r"not an array of shape \[2\]"):
        number("patience is", np.array([1.0, 2.0]), 0, 1)  # type: ignore[arg-type]
    with pytest.raises(GameError, match="turns are a whole number, 0 or more, not -1"):
        whole("turns are", -1, 0)
    with pytest.raises(GameError, match="payoffs are numbers in rows of one length"):
        numbers("payoffs are", [[1], [1, 2]])
