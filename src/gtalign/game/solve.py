"""Solve one game and report the solution by the names of its actions."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
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
from gtalign.game.form import GameForm, Player


@dataclass(frozen=True, slots=True)
class Equilibrium:
    """A Nash equilibrium: the probabilities of the actions that each player uses."""

    user: Mapping[str, float]
    llm: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Solution:
    """The solution of one game; cells and actions by name, in the form's order.

    Attributes:
        game: The game.
        frontier: Cells on the Pareto frontier.
        optimum: The cell of the highest sum; ties: highest user payoff, then first cell.
        pure_nash: Cells that are equilibria.
        equilibria: All extreme equilibria, pure and mixed, each once.
        stackelberg: Leader -> the cell reached if it commits to a pure action.
        dominated: Player -> actions that another pure action beats strictly.
        maximin: Player -> its safest pure action and the payoff that this secures.
        trap: Whether some pure equilibrium is not on the frontier.
        price_of_anarchy: Optimal welfare over that of the worst equilibrium, mixed ones included;
            None where either is not positive.
        price_of_stability: Optimal welfare over that of the best equilibrium.
        welfare_gap: Optimal welfare less that of the worst equilibrium.
        deviation_gains: Player -> its gain from leaving the optimum while the other stays.
        misread_loss: Actual action of the user -> welfare lost against the best answer to it if
            the LLM plays its action of the optimum.
    """

    game: Bimatrix
    frontier: tuple[str, ...]
    optimum: str
    pure_nash: tuple[str, ...]
    equilibria: tuple[Equilibrium, ...]
    stackelberg: Mapping[Player, str]
    dominated: Mapping[Player, tuple[str, ...]]
    maximin: Mapping[Player, tuple[str, float]]
    trap: bool
    price_of_anarchy: float | None
    price_of_stability: float | None
    welfare_gap: float
    deviation_gains: Mapping[Player, float]
    misread_loss: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        """The object that ``gtalign solve --json`` prints."""
        return {
            "frontier": list(self.frontier),
            "optimum": self.optimum,
            "pure_nash": list(self.pure_nash),
            "equilibria": [{"user": dict(e.user), "llm": dict(e.llm)} for e in self.equilibria],
            "stackelberg": dict(self.stackelberg),
            "dominated": {player: list(names) for player, names in self.dominated.items()},
            "trap": self.trap,
            "price_of_anarchy": self.price_of_anarchy,
        }


def solve(game: Bimatrix) -> Solution:
    """Solve one game.

    Payoffs are read to the nearest ``gtalign.game.equilibria.GRID``, so that all parts of the
    solution agree on what is a tie.

    Raises:
        GameError: A payoff is beyond ``gtalign.game.arrays.LIMIT``.
    """
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
