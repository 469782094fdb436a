"""Many games at once: what `fit` and `recommend` do, as array functions."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gtalign.errors import GameError
from gtalign.game import TOLERANCE, GameForm
from gtalign.game.arrays import Payoffs, check
from gtalign.game.equilibria import snap
from gtalign.steering.policy import Policy
from gtalign.steering.rules import SOLUTION_RULES, RuleOptions, SolutionRule


def fitted(payoffs: ArrayLike, decimals: ArrayLike, *, low: float, high: float) -> Payoffs:
    """The payoffs after `fit`: rounded, shifted into the range, and clipped where spread wider.

    Args:
        payoffs: ``[..., m, n, 2]``, up to 2**53 units of the last decimal.
        decimals: Most decimals of each game's payoffs, ``[...]`` or one number for all.
        low: Least payoff, inclusive.
        high: Greatest payoff, inclusive; a payoff of that many decimals lies between them.
    """
    scale = np.asarray(10.0 ** np.asarray(decimals))[..., None, None, None]
    ticks = np.rint(np.asarray(payoffs, np.float64) * scale)
    slack = TOLERANCE / 2
    bottom, top = np.ceil((low - slack) * scale), np.floor((high + slack) * scale)
    least = ticks.min(axis=(-3, -2), keepdims=True)
    most = ticks.max(axis=(-3, -2), keepdims=True)
    down = (most > top) | (most - least > top - bottom)
    shift = np.where(down, top - most, np.maximum(bottom - least, 0))
    result: Payoffs = np.maximum(ticks + shift, bottom) / scale + 0.0
    return result


def chosen(
    payoffs: ArrayLike,
    policy: Policy,
    form: GameForm,
    *,
    low: float = -5.0,
    belief: Payoffs | None = None,
    charges: Payoffs | None = None,
) -> NDArray[np.intp]:
    """The cell that a policy's rule chooses in one game or in each of a batch.

    Args:
        payoffs: ``[m, n, 2]`` or ``[N, m, n, 2]``.
        policy: Its `solution`, and the keys that this rule reads.
        form: The game.
        low: Least possible payoff.
        belief: Probability of each action of the user that chains state, ``[m]`` or ``[N, m]``;
            None for the policy's `prior`.
        charges: Points that the policy added to the payoffs, of their shape; None for none.

    Returns:
        Cell numbers, user-major, integer ``[...]``.

    Raises:
        GameError: A rule that measures payoffs from `low` is given a lower one, a payoff is too
            large to solve, or the rule does not apply.
    """
    options = options_of(policy, form, low=low, belief=belief, charges=charges)
    return apply(SOLUTION_RULES[policy.solution], payoffs, options)


def options_of(
    policy: Policy,
    form: GameForm,
    *,
    low: float = -5.0,
    belief: Payoffs | None = None,
    charges: Payoffs | None = None,
) -> RuleOptions:
    """What a policy gives to a rule; arguments as of `chosen`."""
    if belief is None and policy.prior is not None:
        belief = policy.prior_of(form)
    return RuleOptions(policy.tie_break, policy.rho, low, form, belief, policy.clarify, charges)


def apply(rule: SolutionRule, payoffs: ArrayLike, options: RuleOptions) -> NDArray[np.intp]:
    """The cell that a rule chooses, as `chosen` has it."""
    games = snap(check(payoffs))
    if rule.absolute:
        _check_above(games, options.form, options.low, rule.name)
    return rule.choose(games, options)


def _check_above(games: Payoffs, form: GameForm, low: float, rule: str) -> None:
    if not games.size or games.min() >= low - TOLERANCE:
        return
    *_, row, column, _ = np.unravel_index(np.argmin(games), games.shape)
    raise GameError(
        f"{form.cell(int(row), int(column))}: the payoff {games.min():g} lies below {low:g}, where"
        f" welfare is 0 for {rule}; fit the matrix to its range first"
    )
