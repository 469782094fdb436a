"""Solution rules: the ways to choose a cell of a game, one entry each.

A policy names its rule by `Policy.solution`. The configuration, the forms of the dashboard, the
table of ``gtalign solve`` and the documentation iterate `SOLUTION_RULES`, so a new entry appears in
all of them. The game theory behind the entries is in `gtalign.game`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gtalign.game import ces_optimum, maximin, nash_bargaining, social_optimum, stackelberg
from gtalign.game.arrays import Payoffs
from gtalign.game.form import Player


@dataclass(frozen=True, slots=True)
class RuleOptions:
    """The options that a policy gives to its rule.

    Args:
        tie_break: The player whose payoff decides between cells that the rule ranks equal.
        rho: Order of a mean of two welfares, at most 1.
        low: Least payoff there can be.
    """

    tie_break: Player = "user"
    rho: float = 0.0
    low: float = -5.0


@dataclass(frozen=True, slots=True)
class SolutionRule:
    """One way to choose a cell.

    Args:
        name: Its name in policies.
        says: Which cell it chooses, in one sentence.
        ties: Which of several equal cells it takes, in one sentence.
        choose: Takes payoffs ``[..., m, n, 2]``, of one game or of a batch, and the `RuleOptions`;
            returns cell numbers, user-major, integer ``[...]``.
        keys: The keys of a policy that it reads, of ``tie_break`` and ``rho``.
        absolute: Whether it measures payoffs from `RuleOptions.low`; lower ones are then refused.
    """

    name: str
    says: str
    ties: str
    choose: Callable[[Payoffs, RuleOptions], NDArray[np.intp]]
    keys: tuple[str, ...] = ()
    absolute: bool = False


def _published(payoffs: Payoffs, options: RuleOptions) -> NDArray[np.intp]:
    return social_optimum(payoffs, options.tie_break)


def _nash_bargaining(payoffs: Payoffs, options: RuleOptions) -> NDArray[np.intp]:
    # In pure actions some cell gives both players their maximin: the one in which both play safe.
    return nash_bargaining(payoffs, maximin(payoffs)[1])


def _stackelberg(payoffs: Payoffs, options: RuleOptions, *, leader: Player) -> NDArray[np.intp]:
    return stackelberg(payoffs, leader)


def _ces(payoffs: Payoffs, options: RuleOptions) -> NDArray[np.intp]:
    return ces_optimum(payoffs, options.rho, options.low, options.tie_break)


SOLUTION_RULES: Final[dict[str, SolutionRule]] = {
    rule.name: rule
    for rule in (
        SolutionRule(
            name="published",
            says="The highest sum of payoffs.",
            ties="The highest payoff of `tie_break`, then the first cell.",
            choose=_published,
            keys=("tie_break",),
        ),
        SolutionRule(
            name="nash_bargaining",
            says="The greatest product of gains over what each player secures alone (maximin).",
            ties="The highest sum of payoffs, then the first cell.",
            choose=_nash_bargaining,
        ),
        SolutionRule(
            name="stackelberg_llm",
            says="The LLM commits to the action that pays it most, given the user's best answer.",
            ties="The cell that is best for the leader, then for the follower, then the first.",
            choose=partial(_stackelberg, leader="llm"),
        ),
        SolutionRule(
            name="stackelberg_user",
            says="The user commits to the action that pays most, given the LLM's best answer.",
            ties="The cell that is best for the leader, then for the follower, then the first.",
            choose=partial(_stackelberg, leader="user"),
        ),
        SolutionRule(
            name="ces",
            says=(
                "On the Pareto frontier, the highest mean of order `rho` of the two payoffs, each"
                " measured from the least possible payoff."
            ),
            ties="The highest payoff of `tie_break`, then the first cell.",
            choose=_ces,
            keys=("rho", "tie_break"),
            absolute=True,
        ),
    )
}
"""The rules by name. An entry of your own takes effect as soon as you add it."""


def known_rule(name: str) -> str:
    """Return the name of a rule as it is; raises ValueError for any other text."""
    if name not in SOLUTION_RULES:
        *first, last = map(repr, SOLUTION_RULES)
        raise ValueError(f"input should be {', '.join(first)} or {last}")
    return name
