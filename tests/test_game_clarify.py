"""When to answer, ask, or answer and ask: against worked examples and the definition."""

from dataclasses import replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from scipy.optimize import linprog

from gtalign.drawing import svg_file
from gtalign.errors import GameError
from gtalign.game import (
    Clarification,
    ClarifyingQuestion,
    belief_response,
    clarify,
    clarifying_move,
    worth_asking,
)
from gtalign.game.belief import Aim
from gtalign.game.security import secure


def alone(payoffs_ta: Any) -> Any:
    array = np.asarray(payoffs_ta, float)
    return np.stack([np.zeros_like(array), array], axis=-1)


def by_recursion(payoffs: Any, questions: Any, belief: Any, left: int, aim: Aim) -> Any:
    """The definition: the best move at one belief, by Bayes' rule after each reply; [user, llm]."""
    sides = np.array({"user": [1, 0], "llm": [0, 1], "welfare": [1, 1]}[aim])
    options = list(np.tensordot(belief, payoffs, 1))
    for question in questions if left else ():
        kept = question.leaving if question.answer is None else belief @ payoffs[:, question.answer]
        total = (1 - question.patience) * np.asarray(kept) - question.cost
        for reply in np.asarray(question.likelihood).T:
            joint = belief * reply
            if (chance := joint.sum()) > 0:
                after = by_recursion(payoffs, questions, joint / chance, left - 1, aim)
                total = total + question.patience * chance * after
        options.append(total)
    return max(options, key=lambda option: option @ sides)


def random_problem(
    types: int, answers: int, replies: int, seed: int
) -> tuple[Any, list[ClarifyingQuestion]]:
    rng = np.random.default_rng(seed)
    payoffs = rng.integers(-50, 51, (types, answers, 2)) / 10
    ask = ClarifyingQuestion(
        rng.dirichlet(np.full(replies, 0.4), types),
        (0.2, 0.1),
        rng.uniform(0.5, 1),
        leaving=(-1, 0),
    )
    return payoffs, [ask, replace(ask, answer=int(rng.integers(answers)), cost=(0.4, 0.3))]


def test_a_measurement_of_the_robot() -> None:
    """Two states, one measurement: payoffs and likelihoods of a textbook's example.

    (Thrun, Burgard and Fox, Probabilistic Robotics, section 15.2.) After the measurement three
    lines are useful. The one that follows it is .7 (-100, 100) + .3 (100, -50) in the parts that
    each reply weighs: .3 * -100 + .7 * 100 = 40, and .7 * 100 + .3 * -50 = 55.
    """
    payoffs = alone([[-100, 100], [100, -50]])
    plan = clarify(payoffs, [ClarifyingQuestion([[0.7, 0.3], [0.3, 0.7]])], 1, "llm")
    assert sorted(plan.stages[1].values[..., 1].round(9).tolist()) == [
        [-100, 100],
        [40, 55],
        [100, -50],
    ]
    assert plan.stages[0].moves.tolist() == [0, 1]
    assert np.ravel(plan.regions(0)) == pytest.approx([0, 3 / 7, 0, 3 / 7, 1, 1])
    assert np.ravel(plan.regions(1)) == pytest.approx(
        [0, 9 / 37, 0, 9 / 37, 7 / 11, 2, 7 / 11, 1, 1]
    )


def test_the_last_step_of_the_tiger() -> None:
    """With one step left, listening brings -1 and opening a door 10 or -100: here an answer.

    (The payoffs of Cassandra, Kaelbling and Littman, "Acting optimally in partially observable
    stochastic domains", 1994.) Opening at a belief b is worth 10 - 110 b, which is -1 at b = .1.
    """
    plan = clarify(alone([[-100, 10, -1], [10, -100, -1]]), [], 0, "llm")
    assert np.ravel(plan.regions()) == pytest.approx([0, 0.1, 0, 0.1, 0.9, 2, 0.9, 1, 1])


@pytest.mark.parametrize("aim", ["user", "llm", "welfare"])
@pytest.mark.parametrize(
    ("types", "answers", "replies", "turns"),
    [(2, 3, 2, 3), (2, 2, 3, 2), (3, 3, 2, 2), (4, 2, 2, 1)],
)
def test_the_value_is_that_of_the_best_play(
    types: int, answers: int, replies: int, turns: int, aim: Aim
) -> None:
    payoffs, questions = random_problem(types, answers, replies, seed=types + turns)
    plan = clarify(payoffs, questions, turns, aim)
    sides = {"user": [1, 0], "llm": [0, 1], "welfare": [1, 1]}[aim]
    beliefs = [
        *np.eye(types),
        *np.random.default_rng(0).dirichlet(np.ones(types), 25),
    ]
    for left in range(turns + 1):
        values = plan.value(beliefs, left)
        for belief, value in zip(beliefs, values, strict=True):
            best = by_recursion(payoffs, questions, belief, left, aim)
            assert value @ sides == pytest.approx(best @ sides, abs=1e-7)


def test_every_vector_that_is_kept_is_best_somewhere() -> None:
    payoffs, questions = random_problem(3, 3, 2, seed=1)
    lines = clarify(payoffs, questions, 2).stages[2].values.sum(axis=-1)
    assert len(lines) > 3
    for k, line in enumerate(lines):
        others = np.delete(lines, k, axis=0)
        # max of v with belief @ (line - other) >= v for every other
        found = linprog(
            [0, 0, 0, -1],
            A_ub=np.hstack([others - line, np.ones((len(others), 1))]),
            b_ub=np.zeros(len(others)),
            A_eq=[[1, 1, 1, 0]],
            b_eq=[1],
            bounds=[(0, None)] * 3 + [(None, None)],
        )
        assert -found.fun > 0


def test_one_question_is_the_rule_of_worth_asking() -> None:
    payoffs = [[[4, 2], [-2, 1]], [[-3, 1], [5, 2]]]
    likelihood, cost = [[0.9, 0.1], [0.2, 0.8]], (1.0, 0.5)
    plan = clarify(payoffs, [ClarifyingQuestion(likelihood, cost)], 1)
    beliefs = np.linspace([1, 0], [0, 1], 101)
    asks = worth_asking(payoffs, beliefs, likelihood, cost)
    assert ((plan.move(beliefs) == 2) == asks).all()
    assert 0 < asks.sum() < 101


def test_a_user_without_patience_is_answered() -> None:
    payoffs, (ask, _) = random_problem(2, 2, 2, seed=1)
    never = clarify(payoffs, [replace(ask, patience=0.0)], 2)
    assert (never.move(np.linspace([1, 0], [0, 1], 21)) < 2).all()


def test_who_may_leave_is_better_answered_while_asked() -> None:
    payoffs = [[[4, 2], [1, 1]], [[1, 1], [5, 2]]]
    ask = ClarifyingQuestion(np.eye(2), (0.1, 0.1), patience=0.6, leaving=(-2, -2))
    both = [replace(ask, answer=answer, cost=(0.2, 0.2)) for answer in range(2)]
    plan = clarify(payoffs, [ask, *both], 1)
    assert plan.move([0.6, 0.4]) == 3
    assert plan.move([0.4, 0.6]) == 4
    assert plan.move([1.0, 0.0]) == 0


def test_a_tie_of_answering_and_asking_is_an_answer() -> None:
    payoffs = alone([[1, 0], [0, 1]])
    plan = clarify(payoffs, [ClarifyingQuestion(np.eye(2), (0, 0.5))], 1, "llm")
    assert plan.move([0.5, 0.5]) == 0
    assert [move for _, _, move in plan.regions()] == [1, 0]


def played(
    payoffs: Any, questions: Any, belief: Any, left: int, aim: Aim
) -> tuple[int, tuple[Any, ...]]:
    """The definition in fractions, ties included: the move, and what user and LLM get.

    By the aim, then by the payoff of the user (with the aim user, of the LLM), then the first.
    """
    types, answers = range(len(payoffs)), range(len(payoffs[0]))

    def expected(answer: int) -> tuple[Any, Any]:
        first, second = (
            sum(belief[t] * int(payoffs[t][answer][side]) for t in types) for side in (0, 1)
        )
        return first, second

    options = [expected(answer) for answer in answers]
    for question in questions if left else ():
        leaving = [Fraction(w) * sum(belief) for w in question.leaving]
        gone = leaving if question.answer is None else options[question.answer]
        stays = Fraction(question.patience)
        value = [
            (1 - stays) * g - Fraction(c) * sum(belief)
            for g, c in zip(gone, question.cost, strict=True)
        ]
        for reply in zip(*question.likelihood, strict=True):
            after = [b * Fraction(chance) for b, chance in zip(belief, reply, strict=True)]
            _, more = played(payoffs, questions, after, left - 1, aim)
            value = [v + stays * m for v, m in zip(value, more, strict=True)]
        options.append((value[0], value[1]))

    def rank(move: int) -> tuple[Any, Any, int]:
        user, llm = options[move]
        by = {"user": (user, llm), "llm": (llm, user), "welfare": (user + llm, user)}[aim]
        return (*by, -move)

    best = max(range(len(options)), key=rank)
    return best, options[best]


def test_of_moves_that_tie_at_a_corner_the_user_has_the_choice() -> None:
    payoffs = [[[0, 0], [3, 0]], [[1, 0], [0, 1]]]
    plan = clarify(payoffs, [], 0)
    beliefs: list[list[float]] = [[0, 1], [0.5, 0.5]]
    assert plan.move([0, 1]) == 0 == belief_response(payoffs, [0, 1])
    assert plan.value([0, 1]).tolist() == [1, 0]
    assert clarifying_move(payoffs, [0, 1], [], 0)[0] == 0
    assert plan.move(beliefs).tolist() == [0, 1]


@pytest.mark.parametrize("aim", ["user", "llm", "welfare"])
@pytest.mark.parametrize(("types", "turns"), [(2, 0), (2, 1), (2, 2), (3, 1), (3, 2), (1, 2)])
def test_ties_are_broken_alike_everywhere(types: int, turns: int, aim: Aim) -> None:
    """Payoffs and beliefs of small whole numbers, with questions that cost nothing: many ties."""
    rng = np.random.default_rng(types * 10 + turns)
    tied = 0
    for _ in range(15):
        payoffs = rng.integers(-1, 2, (types, 2, 2))
        signals = rng.choice([0, 0.25, 0.5, 1], (types, 1))
        signals = np.hstack([signals, 1 - signals])
        cost = rng.choice([0, 0, 0.5], 2).tolist()
        ask = ClarifyingQuestion(signals.tolist(), cost, patience=float(rng.choice([0.5, 1])))
        questions = [ask, replace(ask, answer=int(rng.integers(2)))]
        plan = clarify(payoffs, questions, turns, aim)
        for weights in rng.integers(0, 3, (3, types)).tolist():
            weights[0] += not sum(weights)
            belief = [Fraction(w, sum(weights)) for w in weights]
            given: Any = [float(share) for share in belief]
            for left in range(turns + 1):
                move, value = played(payoffs, questions, belief, left, aim)
                found, reached = clarifying_move(payoffs, given, questions, left, aim)
                assert plan.move(given, left) == move == found
                assert plan.value(given, left) == pytest.approx([float(v) for v in value])
                assert reached == pytest.approx([float(v) for v in value])
                if not left:
                    assert belief_response(payoffs, given, aim) == move
            expected = np.tensordot(given, payoffs, 1)
            tied += len({round(v, 9) for v in expected.sum(axis=-1)}) < 2
    assert tied > 2


def test_many_games_in_which_some_replies_cannot_come_are_played_like_each() -> None:
    games = np.random.default_rng(7).integers(-3, 4, (9, 2, 3, 2))
    beliefs = np.array([[1, 0], [0, 1], [0.5, 0.5]] * 3)
    questions = [ClarifyingQuestion(np.eye(2), (0.5, 0)), ClarifyingQuestion(np.eye(2), answer=1)]
    moves, values = clarifying_move(games, beliefs, questions, 2)
    for game, belief, move, value in zip(games, beliefs, moves, values, strict=True):
        alone = clarifying_move(game, belief, questions, 2)
        plan = clarify(game, questions, 2)
        assert move == alone[0] == plan.move(belief)
        assert value == pytest.approx(alone[1])
        assert value == pytest.approx(plan.value(belief))


def test_moves_of_many_beliefs_are_those_of_each() -> None:
    payoffs = [[[1, 0], [0, 1]], [[0, 1], [1, 0]]]
    ask = ClarifyingQuestion(np.eye(2), answer=0)
    plan = clarify(payoffs, [ask], 3)
    beliefs = np.linspace([1, 0], [0, 1], 41)
    for left in range(4):
        moves, values = plan.move(beliefs, left), plan.value(beliefs, left)
        assert moves.tolist() == [int(plan.move(b, left)) for b in beliefs]
        assert values == pytest.approx(np.array([plan.value(b, left) for b in beliefs]))


def test_a_region_shows_the_move_that_is_made_there() -> None:
    """Both answers are worth the same everywhere; the user prefers the second, then the first."""
    payoffs = [[[1, 3], [3, 1]], [[3, 1], [3, 1]]]
    plan = clarify(payoffs, [], 0)
    assert plan.regions() == ((0.0, 1.0, 1),)
    assert plan.move([0.5, 0.5]) == 1


def test_who_looks_far_ahead_follows_only_what_is_close() -> None:
    """Two replies and twelve turns: 2**12 ends of one question, but 6**12 of all three."""
    ask = ClarifyingQuestion([[0.8, 0.2], [0.3, 0.7]], (0.05, 0.05))
    worse = [replace(ask, cost=(0.1 + n / 10, 0.1)) for n in (0, 1)]
    plan = clarify([[[4, 2], [-2, 1]], [[-3, 1], [5, 2]]], [ask, *worse], 12)
    assert plan.move([0.5, 0.5]) == 2
    assert plan.value([0.5, 0.5]).sum() > 5


def test_the_chart_is_an_image_and_says_its_regions() -> None:
    plan = clarify(
        alone([[-10, 10], [10, -10]]), [ClarifyingQuestion([[0.8, 0.2], [0.2, 0.8]])], 2, "llm"
    )
    drawn = plan.chart("When to ask", ["first", "second", "ask"], "the first <type>")
    root = ElementTree.fromstring(svg_file(drawn))
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    texts = " ".join(root.itertext())
    assert "2 questions left: ask from" in texts
    assert "probability of: the first <type>" in texts


def test_the_secured_value_is_that_of_the_linear_program() -> None:
    rng = np.random.default_rng(3)
    for rows, columns in ((1, 1), (1, 4), (3, 1), (2, 5), (4, 4), (3, 9)):
        for high in (1, 3, 50):
            gains = rng.integers(-high, high + 1, (rows, columns)) / 10
            value, mixture = secure(gains)
            assert mixture.sum() == pytest.approx(1)
            assert (mixture @ gains).min() == pytest.approx(value, abs=1e-9)
            found = linprog(
                [*np.zeros(rows), -1],
                A_ub=np.hstack([-gains.T, np.ones((columns, 1))]),
                b_ub=np.zeros(columns),
                A_eq=[[1] * rows + [0]],
                b_eq=[1],
                bounds=[(0, None)] * rows + [(None, None)],
            )
            assert value == pytest.approx(-found.fun, abs=1e-9)


@cache
def small() -> Clarification:
    return clarify(random_problem(2, 2, 2, seed=0)[0], [ClarifyingQuestion(np.eye(2))], 1)


EYE = np.eye(2)
WRONG: list[tuple[Any, str]] = [
    (lambda: clarify(np.zeros((1, 2, 2, 2)), [], 1), "T, n, 2"),
    (lambda: clarify(np.full((2, 2, 2), np.nan), [], 1), "finite"),
    (lambda: clarify(np.zeros((2, 2, 2)), [], -1), "0 or more"),
    (
        lambda: clarify(np.zeros((2, 2, 2)), [ClarifyingQuestion(np.eye(3))], 1),
        "a likelihood has shape",
    ),
    (lambda: clarify(np.zeros((2, 2, 2)), [ClarifyingQuestion(EYE, patience=1.5)], 1), "patience"),
    (
        lambda: clarify(np.zeros((2, 2, 2)), [ClarifyingQuestion(EYE, patience=np.nan)], 1),
        "patience",
    ),
    (
        lambda: clarify(np.zeros((2, 2, 2)), [ClarifyingQuestion(EYE, answer=2)], 1),
        "the answer of a question is a whole number, 0 to 1",
    ),
    (
        lambda: clarify(np.zeros((2, 2, 2)), [ClarifyingQuestion(EYE, (np.inf, 0))], 1),
        "two finite numbers",
    ),
    (lambda: small().move([0.2, 0.3, 0.5]), "about 3 types"),
    (lambda: small().move([0.5, 0.5], left=2), "the questions left are a whole number, 0 to 1"),
    (lambda: clarify(np.zeros((3, 2, 2)), [], 0).regions(), "two types"),
]


@pytest.mark.parametrize(("call", "message"), WRONG)
def test_wrong_input_is_refused(call: Any, message: str) -> None:
    with pytest.raises(GameError, match=message):
        call()


def test_the_image_of_the_documentation_is_what_its_code_draws() -> None:
    payoffs = [[[4, 2], [-2, 1]], [[-3, 1], [5, 2]]]
    ask = ClarifyingQuestion([[0.8, 0.2], [0.2, 0.8]], (0.2, 0.1), patience=0.9, leaving=(-1, 0))
    both = [replace(ask, answer=answer, cost=(0.4, 0.3)) for answer in (0, 1)]
    names = ["answer usual", "answer special", "ask", "usual, and ask", "special, and ask"]
    drawn = clarify(payoffs, [ask, *both], 3).chart(
        "When to ask", names, "the user needs the usual answer"
    )
    image = Path(__file__).parents[1] / "docs" / "images" / "asking.svg"
    assert svg_file(drawn) == image.read_text(encoding="utf-8")


@pytest.mark.parametrize("aim", ["user", "llm", "welfare"])
@pytest.mark.parametrize(("types", "turns"), [(2, 0), (2, 3), (3, 2)])
def test_many_games_are_played_like_each_of_them(types: int, turns: int, aim: Aim) -> None:
    rng = np.random.default_rng(types + turns)
    _, questions = random_problem(types, 3, 2, seed=4)
    games = rng.integers(-50, 51, (20, types, 3, 2)) / 10
    beliefs = rng.dirichlet(np.ones(types), 20)
    moves, values = clarifying_move(games, beliefs, questions, turns, aim)
    for game, belief, move, value in zip(games, beliefs, moves, values, strict=True):
        plan = clarify(game, questions, turns, aim)
        assert plan.move(belief) == move
        assert value == pytest.approx(plan.value(belief), abs=1e-8)
    one = clarifying_move(games[3], beliefs[3], questions, turns, aim)
    assert (one[0], one[1].tolist()) == (moves[3], pytest.approx(values[3].tolist()))
    many = clarifying_move(games[3], beliefs, questions, turns, aim)
    assert many[0].shape == (20,) and many[0][3] == moves[3]


def test_equal_and_useless_lines_of_two_types_are_left_out() -> None:
    lines: Any = [
        [0, 0],
        [3, -3],
        [1, 1],
        [1, 1],
        [-3, 3],
        [1, 0.5],
        [3, -4],
        [1 + 1e-12, 1],
        [2, 0],
    ]
    plan = clarify(alone(np.transpose(lines)), [], 0, "llm")
    assert plan.stages[0].moves.tolist() == [1, 2, 4, 8]
    assert clarify(alone([[1, 1], [2, 2]]), [], 0, "llm").stages[0].moves.tolist() == [0]
    rng = np.random.default_rng(5)
    for _ in range(50):
        game = alone(rng.integers(-9, 10, (2, 6)) / 2)
        kept = clarify(game, [], 0, "llm").stages[0].moves
        at = np.linspace(0, 1, 2001)
        lines_AK = np.outer(at, game[0, :, 1]) + np.outer(1 - at, game[1, :, 1])
        assert lines_AK[:, kept].max(axis=1) == pytest.approx(lines_AK.max(axis=1), abs=1e-9)
        for k in kept:
            others = np.delete(lines_AK, k, axis=1)
            assert len(kept) == 1 or (lines_AK[:, k] >= others.max(axis=1) - 1e-9).any()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"payoffs": np.zeros((2, 3))}, "payoffs have shape"),
        ({"payoffs": np.full((2, 3, 2), np.nan)}, "not a finite number"),
        ({"belief": [0.5, 0.6]}, "probabilities"),
        ({"belief": [1.0]}, "about 1 types, not 2"),
        ({"turns": -1}, "0 or more"),
        ({"payoffs": np.zeros((3, 2, 3, 2)), "belief": [[0.5, 0.5]] * 2}, "do not fit"),
        ({"questions": [ClarifyingQuestion([[1.0]])]}, "likelihood has shape"),
    ],
)
def test_a_wrong_move_is_refused(change: Any, told: str) -> None:
    given = {"payoffs": np.zeros((2, 3, 2)), "belief": [0.5, 0.5], "questions": [], "turns": 1}
    with pytest.raises(GameError, match=told):
        clarifying_move(**{**given, **change})
