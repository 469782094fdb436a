"""Which cell a policy chooses in a game, and what the theory says about that game."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gtalign.errors import GameError
from gtalign.game import Bimatrix, Equilibrium, GameForm, equilibria, pareto_frontier, pure_nash
from gtalign.game.arrays import LIMIT, Payoffs
from gtalign.game.equilibria import snap
from gtalign.game.solve import named
from gtalign.steering.batch import chosen
from gtalign.steering.believed import ordered
from gtalign.steering.edit import PLAYERS
from gtalign.steering.fields import Fields
from gtalign.steering.policy import Policy


@dataclass(frozen=True, slots=True)
class Theory:
    """What the theory says about a game.

    Args:
        frontier: Cells that no other dominates.
        pure_nash: Cells that are equilibria.
        equilibria: All extreme equilibria, pure and mixed.
    """

    frontier: tuple[str, ...]
    pure_nash: tuple[str, ...]
    equilibria: tuple[Equilibrium, ...]


@dataclass(frozen=True)
class Recommendation:
    """The cell that a policy chooses, with the solutions of the game around it.

    Args:
        cell: The cell.
        action: The LLM's action of the cell.
        solution: The rule that chose it (`Policy.solution`).
        solve: Solves the game. That takes longer than the choice, so the game is solved only when
            its solutions are read: an answer need not wait for them.
    """

    cell: str
    action: str
    solution: str
    solve: Callable[[], Theory] = field(repr=False, compare=False)

    @cached_property
    def _theory(self) -> Theory:
        return self.solve()

    @property
    def frontier(self) -> tuple[str, ...]:
        """Cells that no other dominates."""
        return self._theory.frontier

    @property
    def pure_nash(self) -> tuple[str, ...]:
        """Cells that are equilibria."""
        return self._theory.pure_nash

    @property
    def equilibria(self) -> tuple[Equilibrium, ...]:
        """All extreme equilibria, pure and mixed."""
        return self._theory.equilibria

    @property
    def on_frontier(self) -> bool:
        """Whether the cell is on the frontier; one that a leader forces need not be."""
        return self.cell in self.frontier

    @property
    def trap(self) -> bool:
        """Whether some pure equilibrium is not on the frontier."""
        return not set(self.pure_nash) <= set(self.frontier)

    def to_json(self) -> dict[str, Any]:
        """Return an object that `from_json` reads back equal."""
        return {
            "cell": self.cell,
            "action": self.action,
            "solution": self.solution,
            "frontier": list(self.frontier),
            "pure_nash": list(self.pure_nash),
            "equilibria": [{"user": dict(e.user), "llm": dict(e.llm)} for e in self.equilibria],
            "on_frontier": self.on_frontier,
            "trap": self.trap,
        }

    @classmethod
    def from_json(cls, source: Mapping[str, Any] | Fields) -> "Recommendation":
        """Read what `to_json` wrote; raises DataError that names a wrong field."""
        fields = Fields.of(source)
        found = cls(
            fields.text("cell"),
            fields.text("action"),
            fields.text("solution"),
            partial(
                Theory,
                frontier=fields.texts("frontier"),
                pure_nash=fields.texts("pure_nash"),
                equilibria=tuple(
                    Equilibrium(*(_mixture(mixed.object(player)) for player in PLAYERS))
                    for mixed in fields.objects("equilibria")
                ),
            ),
        )
        for derived in ("on_frontier", "trap"):
            fields.flag(derived)
        return found


def recommend(
    game: Bimatrix,
    policy: Policy,
    *,
    low: float = -5.0,
    belief: Mapping[str, float] | None = None,
    charges: Payoffs | None = None,
) -> Recommendation:
    """Choose a cell of a game by the rule of a policy.

    `gtalign.steering.rules.SOLUTION_RULES` says what each rule does. Every rule breaks its last
    ties by the form's order of cells. A constant added to all payoffs of a player can move the
    choice of an absolute rule (`SolutionRule.absolute`), and of no other rule that ships.

    Args:
        game: The game, as a rule an edited one.
        policy: Its `solution`, and the keys that this rule reads.
        low: Least payoff there can be; absolute rules measure payoffs from it.
        belief: Probability of each action of the user that the chain states; None for the
            policy's `prior`.
        charges: Points that the policy added to the payoffs, ``[m, n, 2]``; None for none.

    Raises:
        GameError: An absolute rule is given a payoff below `low`, a payoff is too large to solve,
            or the rule does not apply.
    """
    form, payoffs = game.form, snap(game.payoffs)
    if not np.abs(payoffs).max() <= LIMIT:  # what could not be solved later is refused now
        raise GameError(f"a payoff is not a finite number up to {LIMIT:g}")
    stated = ordered(belief, form)
    number = chosen(payoffs, policy, form, low=low, belief=stated, charges=charges)
    cell = form.cells[int(number)]
    action = form.llm_actions[form.index(cell)[1]]
    return Recommendation(cell, action, policy.solution, partial(_theory, form, payoffs))


def _theory(form: GameForm, payoffs: NDArray[np.float64]) -> Theory:
    # The same equilibria as `solve`, without its other results.
    return Theory(
        frontier=form.where(pareto_frontier(payoffs)),
        pure_nash=form.where(pure_nash(payoffs)),
        equilibria=named(equilibria(payoffs), form),
    )


def _mixture(fields: Fields) -> dict[str, float]:
    return {action: fields.number(action) for action in fields.names()}
