"""Many games at once: what `fit` and the rules of `recommend` do, as array functions."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gtalign.errors import GameError
from gtalign.game import TOLERANCE, GameForm, ces, maximin, nash_bargaining, stackelberg
from gtalign.game import pareto_frontier as frontier_of
from gtalign.game.arrays import Payoffs, check
from gtalign.game.cells import first_best
from gtalign.game.equilibria import snap
from gtalign.steering.policy import Policy


def fitted(payoffs: ArrayLike, decimals: ArrayLike, *, low: float, high: float) -> Payoffs:
    """The payoffs as `fit` makes them: rounded, shifted into the range, and clipped where wide.

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
    payoffs: ArrayLike, policy: Policy, form: GameForm, *, low: float = -5.0
) -> NDArray[np.intp]:
    """The cell that a policy's rule chooses in one game or in each of a batch.

    The rules are those of `recommend`.

    Args:
        payoffs: ``[m, n, 2]`` or ``[N, m, n, 2]``.
        policy: Its `solution`, `rho` and `tie_break`.
        form: The game, for messages.
        low: Least payoff there can be: the zero of welfare for ``ces``.

    Returns:
        Cell numbers, user-major, integer ``[...]``.

    Raises:
        GameError: ``ces`` is given a payoff below `low`, or a payoff is too large to solve.
    """
    games = snap(check(payoffs))
    if policy.solution in ("stackelberg_llm", "stackelberg_user"):
        return stackelberg(games, "llm" if policy.solution == "stackelberg_llm" else "user")
    if policy.solution == "nash_bargaining":
        return nash_bargaining(games, maximin(games)[1])
    cells_c = games.shape[-3] * games.shape[-2]
    user_cN, llm_cN = np.moveaxis(games.reshape(-1, cells_c, 2), (2, 1), (0, 1))
    if policy.solution == "published":
        worth_cN = user_cN + llm_cN
    else:
        _check_above(games, form, low)
        frontier_cN = frontier_of(games).reshape(-1, cells_c).T
        welfare_cN = ces(np.maximum(user_cN - low, 0), np.maximum(llm_cN - low, 0), policy.rho)
        worth_cN = np.where(frontier_cN, welfare_cN, -np.inf)
    cell_N = first_best(worth_cN, user_cN if policy.tie_break == "user" else llm_cN)
    return cell_N if games.ndim == 4 else cell_N[0]


def _check_above(games: Payoffs, form: GameForm, low: float) -> None:
    if not games.size or games.min() >= low - TOLERANCE:
        return
    *_, row, column, _ = np.unravel_index(np.argmin(games), games.shape)
    raise GameError(
        f"{form.cell(int(row), int(column))}: the payoff {games.min():g} lies below {low:g}, where"
        " welfare is 0 for ces; fit the matrix to its range first"
    )
