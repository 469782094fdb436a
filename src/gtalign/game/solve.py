"""Solve one game and report the solution by the names of its actions."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

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
from gtalign.game.diagnostics import (
    deviation_gains,
    equilibrium_welfare,
    misread_loss,
    price,
)
from gtalign.game.equilibria import Equilibria, equilibria, snap
from gtalign.game.form import GameForm
from gtalign.game.solution import Equilibrium, Solution
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


def _used(actions: tuple[str, ...], probabilities: list[float]) -> dict[str, float]:
    return {a: p for a, p in zip(actions, probabilities, strict=True) if p > 0}


def _known(value: Any) -> float | None:
    return None if math.isnan(value) else float(value)
