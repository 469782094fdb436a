"""Signalling games: against the definition, with a linear program for free beliefs."""

from itertools import product
from typing import Any

import numpy as np
import pytest
from scipy.optimize import linprog

from gtalign.errors import GameError
from gtalign.game import signalling_equilibria

BEER, QUICHE, FIGHT, LEAVE = 0, 1, 0, 1


def beer_quiche() -> Any:
    """Strong (first type) likes beer, weak likes quiche, and nobody likes a fight.

    (After Cho and Kreps, "Signaling games and stable equilibria", 1987; the equilibria below follow
    by hand.)
    """
    payoffs = np.zeros((2, 2, 2, 2))
    for strong, meal, reply in product(range(2), repeat=3):
        liked = (meal == BEER) == (strong == 0)
        payoffs[strong, meal, reply, 0] = liked + 2 * (reply == LEAVE)
        payoffs[strong, meal, reply, 1] = float((reply == FIGHT) == (strong == 1))
    return payoffs


def test_beer_and_quiche() -> None:
    """Two pooling equilibria: all drink beer or all eat quiche, and the other meal is fought."""
    found = signalling_equilibria(beer_quiche(), [0.9, 0.1])
    pairs = [(m.tolist(), r.tolist()) for m, r in zip(found.message, found.reply, strict=True)]
    assert sorted(pairs) == [
        ([BEER, BEER], [LEAVE, FIGHT]),
        ([QUICHE, QUICHE], [FIGHT, LEAVE]),
    ]
    assert found.pooling.all()
    assert not found.separating.any()
    beer = pairs.index(([BEER, BEER], [LEAVE, FIGHT]))
    assert found.belief[beer, BEER].tolist() == [0.9, 0.1]
    assert found.belief[beer, QUICHE, 1] >= 0.5
    assert len(signalling_equilibria(beer_quiche(), [0.4, 0.6])) == 0


def by_definition(payoffs: Any, prior: Any) -> set[tuple[Any, Any]]:
    types, messages, replies, _ = payoffs.shape
    user, llm = payoffs[..., 0], payoffs[..., 1]
    found = set()
    for sent in product(range(messages), repeat=types):
        for reply in product(range(replies), repeat=messages):
            honest = all(
                user[t, sent[t], reply[sent[t]]] >= user[t, m, reply[m]] - 1e-9
                for t in range(types)
                for m in range(messages)
            )
            if honest and all(
                supported(llm[:, m], reply[m], [prior[t] * (sent[t] == m) for t in range(types)])
                for m in range(messages)
            ):
                found.add((sent, reply))
    return found


def supported(llm_tn: Any, reply: int, joint: Any) -> bool:
    ahead = llm_tn[:, [reply]] - llm_tn
    if sum(joint) > 0:
        return bool((np.array(joint) @ ahead / sum(joint)).min() >= -1e-9)
    types, replies = llm_tn.shape
    found = linprog(
        [*np.zeros(types), -1],
        A_ub=np.hstack([-ahead.T, np.ones((replies, 1))]),
        b_ub=np.zeros(replies),
        A_eq=[[1] * types + [0]],
        b_eq=[1],
        bounds=[(0, None)] * types + [(None, None)],
    )
    return bool(-found.fun >= -1e-9)


@pytest.mark.parametrize(("types", "messages", "replies"), [(2, 2, 3), (2, 3, 2), (3, 2, 3)])
@pytest.mark.parametrize("high", [1, 3, 50])
def test_all_are_found_and_no_other(types: int, messages: int, replies: int, high: int) -> None:
    rng = np.random.default_rng(high)
    games = rng.integers(-high, high + 1, (4, types, messages, replies, 2)) / 10
    prior = rng.dirichlet(np.ones(types))
    found = signalling_equilibria(games, prior)
    for number, game in enumerate(games):
        own = found.game == number
        pairs = {
            (tuple(m), tuple(r))
            for m, r in zip(found.message[own].tolist(), found.reply[own].tolist(), strict=True)
        }
        assert pairs == by_definition(game, prior)
        alone = signalling_equilibria(game, prior)
        assert alone.message.tolist() == found.message[own].tolist()
    for game, reply, belief in zip(found.game, found.reply, found.belief, strict=True):
        for m, r in enumerate(reply):
            values = belief[m] @ games[game, :, m, :, 1]
            assert values[r] >= values.max() - 1e-8
    assert found.belief.sum(axis=-1) == pytest.approx(np.ones((len(found), messages)))


def test_a_costly_message_separates() -> None:
    """A detailed question costs who needs little too much: only who needs much writes it."""
    payoffs = np.zeros((2, 2, 2, 2))
    for need, long, full in product(range(2), repeat=3):
        payoffs[need, long, full, 0] = 2 * full - long * (3 if need == 0 else 1)
        payoffs[need, long, full, 1] = float(full == need)
    found = signalling_equilibria(payoffs, [0.5, 0.5])
    apart = found.message[found.separating].tolist()
    assert apart == [[0, 1]]
    assert found.belief[found.separating][0].tolist() == [[1, 0], [0, 1]]


def test_no_equilibrium_is_an_empty_result() -> None:
    found = signalling_equilibria(beer_quiche()[None][:0], [0.9, 0.1])
    assert found.message.shape == (0, 2)
    assert found.belief.shape == (0, 2, 2)


WRONG: list[tuple[Any, Any, str]] = [
    (np.zeros((2, 2, 2)), [0.5, 0.5], "T, M, n, 2"),
    (np.zeros((2, 2, 2, 3)), [0.5, 0.5], "T, M, n, 2"),
    (np.full((2, 2, 2, 2), np.nan), [0.5, 0.5], "finite"),
    (np.zeros((2, 2, 2, 2)), [0.5, 0.6], "add up to 1"),
    (np.zeros((2, 2, 2, 2)), [0.2, 0.3, 0.5], "2 types"),
]


@pytest.mark.parametrize(("payoffs", "prior", "message"), WRONG)
def test_wrong_input_is_refused(payoffs: Any, prior: Any, message: str) -> None:
    with pytest.raises(GameError, match=message):
        signalling_equilibria(payoffs, prior)
