"""Solve one game and report the solution by the names of its actions."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from gtalign.game.arrays import Payoffs
from gtalign.game.bimatrix import Bimatrix
from gtalign.game.cells import (
    dominated,
    is_trap,
    maximin,
    pareto_frontier,
    pure_nash,
    social_optimum,
    stackelberg,
)
from gtalign.game.commitment import Commitment, commit, commitment_gain
from gtalign.game.diagnostics import (
    deviation_gains,
    equilibrium_welfare,
    misread_loss,
    price,
)
from gtalign.game.equilibria import Equilibria, equilibria, snap
from gtalign.game.form import TOLERANCE, GameForm, Player
from gtalign.game.solution import Equilibrium, Lead, Solution
from gtalign.game.text import read_game


def solve(game: Bimatrix | str | Mapping[str, Any]) -> Solution:
    """Solve one game; ``print`` shows the solution, and a notebook draws it.

    Args:
        game: The game, or its matrix: JSON text, or an object with a key for each cell.

    Payoffs are read to the nearest ``gtalign.game.equilibria.GRID``, so that all parts of the
    solution agree on what is a tie.

    Raises:
        GameError: A payoff is beyond ``gtalign.game.arrays.LIMIT``.
        PayoffError: The text or the object is no matrix; the message names the cell.
    """
    if not isinstance(game, Bimatrix):
        game = read_game(game)
    form, payoffs = game.form, snap(game.payoffs)
    cells, user_actions, llm_actions = form.cells, form.user_actions, form.llm_actions
    optimum = social_optimum(payoffs)
    gains = deviation_gains(payoffs, optimum)
    beaten_user, beaten_llm = dominated(payoffs)
    safest, secured = maximin(payoffs)
    found = equilibria(payoffs)
    optimal = payoffs.sum(axis=-1).max()
    worst, best = equilibrium_welfare(payoffs, found=found)
    return Solution(
        game=game,
        frontier=form.where(pareto_frontier(payoffs)),
        optimum=cells[optimum],
        pure_nash=form.where(pure_nash(payoffs)),
        equilibria=named(found, form),
        stackelberg={
            "llm": cells[stackelberg(payoffs, "llm")],
            "user": cells[stackelberg(payoffs, "user")],
        },
        leads={
            "llm": lead_of(payoffs, form, "llm", found),
            "user": lead_of(payoffs, form, "user", found),
        },
        dominated={
            "user": tuple(np.array(user_actions)[beaten_user].tolist()),
            "llm": tuple(np.array(llm_actions)[beaten_llm].tolist()),
        },
        maximin={
            "user": (user_actions[safest[0]], float(secured[0])),
            "llm": (llm_actions[safest[1]], float(secured[1])),
        },
        trap=bool(is_trap(payoffs)),
        price_of_anarchy=_known(price(optimal, worst)),
        price_of_stability=_known(price(optimal, best)),
        welfare_gap=float(optimal - worst),
        deviation_gains={"user": float(gains[0]), "llm": float(gains[1])},
        misread_loss=dict(zip(user_actions, misread_loss(payoffs, optimum).tolist(), strict=True)),
    )


def named(found: Equilibria, form: GameForm) -> tuple[Equilibrium, ...]:
    """The equilibria of one game by the names of its actions."""
    return tuple(
        Equilibrium(_used(form.user_actions, user), _used(form.llm_actions, llm))
        for user, llm in zip(found.user.tolist(), found.llm.tolist(), strict=True)
    )


def lead_of(
    payoffs: Payoffs, form: GameForm, leader: Player, found: Equilibria | None = None
) -> Lead:
    """The best that a player can commit to in one game, by the names of its actions.

    A mixture is taken only if it pays the leader more than every pure action. The other breaks its
    ties for the leader (strong commitment).

    Args:
        payoffs: ``[m, n, 2]``.
        form: The game.
        leader: Who commits.
        found: ``equilibria(payoffs)``, if it is at hand already.
    """
    committed = commit(payoffs, leader)
    row, column = np.unravel_index(stackelberg(payoffs, leader), form.shape)
    side = 0 if leader == "user" else 1
    pure = payoffs[row, column]
    if committed.payoffs[side] <= pure[side] + TOLERANCE:
        alone, answer = (row, column) if leader == "user" else (column, row)
        committed = Commitment(np.eye(len(committed.mixed))[alone], np.asarray(answer), pure)
    gain = commitment_gain(payoffs, leader, committed=committed, found=found)
    own, other = form.user_actions, form.llm_actions
    if leader == "llm":
        own, other = other, own
    return Lead(
        mixed=_used(own, committed.mixed.tolist()),
        answer=other[int(committed.answer)],
        payoffs=_by_player(committed.payoffs),
        gain=_by_player(gain),
    )


def _by_player(values: Payoffs) -> dict[Player, float]:
    user, llm = (values.round(9) + 0.0).tolist()
    return {"user": user, "llm": llm}


def _used(actions: tuple[str, ...], probabilities: list[float]) -> dict[str, float]:
    return {a: p for a, p in zip(actions, probabilities, strict=True) if p > 0}


def _known(value: Any) -> float | None:
    return None if math.isnan(value) else float(value)
